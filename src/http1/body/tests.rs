use proptest::prelude::*;

use super::*;

/// Decodes `wire` as it comes in parts of the given sizes: the bytes of the body, and whether it ended.
fn decode(framing: Framing, wire: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, bool), Http1Error> {
    let mut decoder = Decoder::new(framing);
    let (mut body, mut buffer, mut rest) = (Vec::new(), BytesMut::new(), wire);
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(usize::MAX));
    loop {
        match decoder.next(&mut buffer)? {
            Piece::Data(data) => body.extend_from_slice(&data),
            Piece::Trailers(_) | Piece::End => return Ok((body, true)),
            Piece::More if rest.is_empty() => return Ok((body, false)),
            Piece::More => {
                let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
                buffer.extend_from_slice(&rest[..size]);
                rest = &rest[size..];
            }
        }
    }
}

#[test]
fn a_body_of_known_length_ends_there() {
    assert_eq!(decode(Framing::Length(3), b"abcdef", &[]), Ok((b"abc".to_vec(), true)));
    assert_eq!(decode(Framing::Length(3), b"ab", &[]), Ok((b"ab".to_vec(), false)));
    assert_eq!(decode(Framing::NONE, b"", &[]), Ok((vec![], true)));
}

#[test]
fn chunks_are_joined_and_their_extensions_dropped() {
    let wire = b"3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(decode(Framing::Chunked, wire, &[]), Ok((b"abc0123456789".to_vec(), true)));
}

#[test]
fn trailers_come_after_the_last_chunk() {
    let mut decoder = Decoder::new(Framing::Chunked);
    let mut buffer = BytesMut::from("0\r\ngrpc-status: 0\r\n\r\nNEXT");
    let Piece::Trailers(trailers) = decoder.next(&mut buffer).unwrap() else { panic!("no trailers") };
    assert_eq!(trailers["grpc-status"], "0");
    assert!(decoder.is_over());
    assert_eq!(&buffer[..], b"NEXT");
}

#[test]
fn chunks_that_break_the_grammar_are_refused() {
    for wire in [
        "g\r\n",
        "\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "-1\r\n",
        "0x3\r\nabc\r\n",
        "+3\r\nabc\r\n",
        "3;\x01\r\nabc\r\n",
        "1000000000000000\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "0\r\na : b\r\n\r\n",
        "0\r\na: b\n\r\n",
    ] {
        assert!(decode(Framing::Chunked, wire.as_bytes(), &[]).is_err(), "{wire:?}");
    }
    let flood = format!("3;{}", "a".repeat(300));
    assert_eq!(decode(Framing::Chunked, flood.as_bytes(), &[]), Err(Http1Error::Chunk));
}

#[test]
fn a_connection_that_closes_early_is_told_from_one_that_ends_the_body() {
    assert!(Decoder::new(Framing::UntilClose).may_end_here());
    assert!(!Decoder::new(Framing::Length(1)).may_end_here());
    assert!(!Decoder::new(Framing::Chunked).may_end_here());
}

proptest! {
    #[test]
    fn however_a_chunked_body_arrives_it_is_the_same(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..6),
        sizes in proptest::collection::vec(1usize..20, 0..40),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            crate::http1::encode::chunk_head(&mut wire, chunk.len());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(crate::http1::encode::CHUNK_END);
        }
        wire.extend_from_slice(crate::http1::encode::LAST_CHUNK);
        prop_assert_eq!(decode(Framing::Chunked, &wire, &sizes), Ok((chunks.concat(), true)));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), sizes in proptest::collection::vec(1usize..9, 0..9)) {
        for framing in [Framing::Chunked, Framing::Length(50), Framing::UntilClose] {
            let _ = decode(framing, &bytes, &sizes);
        }
    }
}
