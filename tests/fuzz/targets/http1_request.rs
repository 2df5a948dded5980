//! Whatever a client sends, in whatever parts: no panic, the same requests however it is cut, and what is read once is read
//! the same when it is written out again. The first two bytes say where to cut.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir::http1::body::{Decoder, Piece};
use weir::http1::framing::of_request;
use weir::http1::head::{Limits, RequestHead, take_request};
use weir::http1::{Http1Error, encode};

const LIMITS: Limits = Limits { bytes: 4096, fields: 32 };

/// A request as it was understood.
#[derive(Debug, PartialEq)]
struct Understood(String, String, Vec<(String, Vec<u8>)>, Vec<u8>);

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (first, second, wire) = input;
    let whole = read(wire, &[]);
    let cut = read(wire, &[usize::from(first) + 1, usize::from(second) + 1, 1]);
    assert_eq!(whole.0, cut.0, "what was understood depends on how it arrived");
    assert_eq!(whole.1.is_some(), cut.1.is_some(), "whether it was refused depends on how it arrived: {whole:?} {cut:?}");
});

/// All requests on a connection that sends `wire`, and why it ended.
fn read(wire: &[u8], cuts: &[usize]) -> (Vec<Understood>, Option<Http1Error>) {
    let (mut buffer, mut rest, mut cuts) = (BytesMut::new(), wire, cuts.iter().cycle());
    let mut all = Vec::new();
    let mut more = |buffer: &mut BytesMut| {
        let size = cuts.next().copied().unwrap_or(usize::MAX).min(rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        size > 0
    };
    loop {
        let head = match take_request(&mut buffer, LIMITS) {
            Ok(Some(head)) => head,
            Ok(None) if more(&mut buffer) => continue,
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        };
        rewritten(&head);
        let framing = match of_request(head.version, &head.headers, head.marks) {
            Ok(framing) => framing,
            Err(error) => return (all, Some(error)),
        };
        let (mut decoder, mut body) = (Decoder::new(framing), Vec::new());
        loop {
            match decoder.next(&mut buffer) {
                Ok(Piece::Data(data)) => body.extend_from_slice(&data),
                Ok(Piece::End | Piece::Trailers(_)) => break,
                Ok(Piece::More) if more(&mut buffer) => {}
                Ok(Piece::More) => return (all, None),
                Err(error) => return (all, Some(error)),
            }
        }
        let fields = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        all.push(Understood(head.method.to_string(), head.target.to_string(), fields.collect(), body));
    }
}

/// What weir writes is one request, the same.
fn rewritten(head: &RequestHead) {
    let Some(target) = head.target.path_and_query().map(|target| target.to_string()) else { return };
    // How the body is delimited is said anew, whatever the fields said.
    let mut fields = head.headers.clone();
    fields.remove("transfer-encoding");
    let mut written = Vec::new();
    encode::request_head(&mut written, &head.method, &target, &fields, encode::Length::AsItSays);
    let mut wire = BytesMut::from(&written[..]);
    let limits = Limits { bytes: usize::MAX, ..LIMITS };
    let again = take_request(&mut wire, limits).expect("it is well-formed").expect("it is whole");
    assert!(wire.is_empty(), "a head became two messages");
    assert_eq!((&again.method, &again.headers), (&head.method, &fields));
}
