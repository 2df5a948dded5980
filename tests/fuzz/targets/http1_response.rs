//! Whatever an endpoint sends: no panic, and no body longer than was announced.
#![no_main]

use bytes::BytesMut;
use http::Method;
use libfuzzer_sys::fuzz_target;
use weir::http1::body::{Decoder, Piece};
use weir::http1::framing::{Framing, of_response};
use weir::http1::head::{Limits, take_response};

const LIMITS: Limits = Limits { bytes: 4096, fields: 32 };

fuzz_target!(|input: (bool, &[u8])| {
    let (is_head, wire) = input;
    let method = if is_head { Method::HEAD } else { Method::GET };
    let mut buffer = BytesMut::from(wire);
    while let Ok(Some(head)) = take_response(&mut buffer, LIMITS) {
        let Ok(framing) = of_response(&method, head.status, head.version, (&head.headers, head.marks)) else { return };
        let (mut decoder, mut length) = (Decoder::new(framing), 0);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Piece::Data(data)) => length += data.len() as u64,
                Ok(Piece::End | Piece::Trailers(_)) => break,
                Ok(Piece::More) | Err(_) => return,
            }
        }
        if let Framing::Length(announced) = framing {
            assert_eq!(length, announced);
        }
    }
});
