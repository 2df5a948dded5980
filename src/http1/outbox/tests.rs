use proptest::prelude::*;

use super::*;

/// Takes all that waits, `step` bytes at a time, as a slow writer would.
fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
    let mut written = Vec::new();
    while !outbox.is_empty() {
        let (slices, count) = outbox.slices();
        let waiting: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        let now = step.min(waiting.len());
        written.extend_from_slice(&waiting[..now]);
        outbox.advance(now);
    }
    written
}

#[test]
fn a_body_shorter_or_longer_than_announced_is_an_error() {
    let mut outbox = Outbox::default();
    let mut body = Delimited::Length(3);
    assert_eq!(body.data(&mut outbox, Bytes::from_static(b"ab")), Ok(()));
    assert_eq!(body.end(&mut outbox), Err(Misannounced));
    assert_eq!(body.data(&mut outbox, Bytes::from_static(b"cd")), Err(Misannounced));
    assert_eq!(drain(&mut outbox, 9), b"ab");
}

#[test]
fn an_empty_part_does_not_end_a_chunked_body() {
    let mut outbox = Outbox::default();
    let mut body = Delimited::Chunked;
    body.data(&mut outbox, Bytes::new()).unwrap();
    body.data(&mut outbox, Bytes::from_static(b"a")).unwrap();
    body.end(&mut outbox).unwrap();
    assert_eq!(drain(&mut outbox, 9), b"1\r\na\r\n0\r\n\r\n");
}

#[test]
fn an_outbox_that_never_gets_empty_does_not_grow() {
    let mut outbox = Outbox::default();
    outbox.small().extend_from_slice(&[0; 100]);
    for _ in 0..1000 {
        outbox.small().extend_from_slice(&[0; 1000]);
        outbox.advance(1000);
    }
    assert!(!outbox.is_empty());
    assert!(outbox.small().capacity() <= 4 * BATCH, "{} bytes", outbox.small().capacity());
}

proptest! {
    #[test]
    fn large_and_small_parts_keep_their_order(sizes in proptest::collection::vec(1usize..9000, 1..6), step in 1usize..5000) {
        let mut written = Vec::new();
        let mut expected = Vec::new();
        let (mut outbox, mut body) = (Outbox::default(), Delimited::Chunked);
        for (index, size) in sizes.iter().enumerate() {
            let data = vec![b'a' + index as u8; *size];
            expected.extend_from_slice(format!("{size:x}\r\n").as_bytes());
            expected.extend_from_slice(&data);
            expected.extend_from_slice(b"\r\n");
            body.data(&mut outbox, data.into()).unwrap();
            if !outbox.has_room() {
                written.extend(drain(&mut outbox, step));
            }
        }
        written.extend(drain(&mut outbox, step));
        prop_assert_eq!(written, expected);
    }
}
