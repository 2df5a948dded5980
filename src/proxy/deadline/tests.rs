use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_deadline_wakes_when_it_has_passed_and_not_before() {
    let (watch, woken) = (Rc::<Watch>::default(), Arc::<Woken>::default());
    let waker = woken.clone().into();
    let cx = &mut Context::from_waker(&waker);
    let deadline = watch.deadline();
    deadline.set(SECOND);
    assert!(deadline.poll_passed(cx).is_pending());
    watch.tick(SECOND);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0, "early");
    watch.tick(SECOND + RESOLUTION);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(deadline.poll_passed(cx).is_ready());
}

#[test]
fn a_deadline_that_is_cleared_or_not_set_never_passes() {
    let (watch, cx) = (Rc::<Watch>::default(), &mut Context::from_waker(Waker::noop()));
    let deadline = watch.deadline();
    watch.tick(SECOND * 1_000_000);
    assert!(deadline.poll_passed(cx).is_pending());
    deadline.set(SECOND);
    deadline.clear();
    watch.tick(SECOND * 2_000_000);
    assert!(deadline.poll_passed(cx).is_pending());
}

#[test]
fn draining_wakes_everyone() {
    let (watch, woken) = (Rc::<Watch>::default(), Arc::<Woken>::default());
    let waker = woken.clone().into();
    let (one, two) = (watch.deadline(), watch.deadline());
    for deadline in [&one, &two] {
        assert!(deadline.poll_passed(&mut Context::from_waker(&waker)).is_pending());
    }
    watch.drain();
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert!(one.is_draining());
}

#[test]
fn places_are_used_again() {
    let watch = Rc::<Watch>::default();
    let first = watch.deadline();
    drop(watch.deadline());
    let third = watch.deadline();
    assert_eq!((watch.len(), third.index), (2, 1));
    drop((first, third));
    assert_eq!(watch.len(), 0);
}

#[test]
fn as_many_rooms_are_kept_as_may_be_and_one_that_is_given_back_goes_to_another() {
    let deadline = Rc::<Watch>::default().deadline();
    let mut rooms: Vec<_> = std::iter::from_fn(|| deadline.keep_room()).take(2 * MOST_ROOMS).collect();
    assert_eq!(rooms.len(), MOST_ROOMS);
    rooms.pop();
    assert!(deadline.keep_room().is_some());
}
