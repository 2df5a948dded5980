use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A bell, its waker, and a task with the number of its wakes.
fn bell() -> (Arc<Bell>, Waker, Waker, Arc<Count>) {
    let (bell, count) = (Arc::new(Bell::default()), Arc::new(Count::default()));
    (bell.clone(), Waker::from(bell), Waker::from(count.clone()), count)
}

fn wakes(count: &Count) -> usize {
    count.0.load(Ordering::Relaxed)
}

#[test]
fn it_wakes_who_is_parked_once() {
    let (bell, ring, task, count) = bell();
    bell.park(&task);
    ring.wake_by_ref();
    ring.wake_by_ref();
    assert_eq!(wakes(&count), 1);
}

#[test]
fn it_wakes_nobody_who_is_not_parked() {
    let (bell, ring, task, count) = bell();
    bell.park(&task);
    bell.silence();
    ring.wake();
    assert_eq!(wakes(&count), 0);
}

#[test]
fn what_rings_while_somebody_looks_is_not_lost() {
    let (bell, ring, task, count) = bell();
    bell.silence();
    ring.wake();
    bell.park(&task);
    assert_eq!(wakes(&count), 1);
    bell.silence();
    bell.park(&task);
    assert_eq!(wakes(&count), 1, "and counts once");
}

#[test]
fn the_last_who_parks_is_woken() {
    let (bell, ring, first, none) = bell();
    let count = Arc::new(Count::default());
    bell.park(&first);
    bell.park(&Waker::from(count.clone()));
    ring.wake();
    assert_eq!((wakes(&none), wakes(&count)), (0, 1));
}
