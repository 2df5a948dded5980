use super::*;

/// What a function's future takes, without calling it.
fn size<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_request_under_way_takes_a_bounded_room() {
    let bytes = size(handle);
    assert!(bytes <= 7 * 1024, "{bytes} bytes for each request under way");
}
