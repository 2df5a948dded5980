use std::future::poll_fn;

use super::super::testing::run;
use super::*;

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_deadline_is_reached_once_its_time_has_come_wherever_it_was_before() {
    run(async {
        let mut deadline = Deadline::default();
        for before in [None, Some(LONG), Some(SHORT)] {
            if let Some(before) = before {
                deadline.set(before);
                assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
            }
            let start = Instant::now();
            deadline.set(4 * SHORT);
            poll_fn(|cx| deadline.poll(cx)).await;
            assert!(start.elapsed() >= 4 * SHORT, "after {before:?}");
        }
    });
}

#[test]
fn without_a_deadline_nothing_is_ever_reached() {
    run(async {
        let mut deadline = Deadline::default();
        deadline.set(Duration::ZERO);
        deadline.clear();
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
    });
}

#[test]
fn moving_a_deadline_on_leaves_its_timer_alone() {
    run(async {
        let mut deadline = Deadline::default();
        deadline.set(LONG);
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        let armed = deadline.sleep.as_ref().unwrap().deadline();
        deadline.set(2 * LONG);
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        assert_eq!(deadline.sleep.as_ref().unwrap().deadline(), armed);
    });
}

#[test]
fn a_body_that_moves_is_waited_for_again() {
    run(async {
        let (mut wait, mut deadline) = (BodyWait::default(), Deadline::default());
        let start = Instant::now();
        let mut moved = 0;
        poll_fn(|cx| {
            // Something moves until five times as long as it may stand still.
            moved += u64::from(start.elapsed() < 5 * SHORT);
            wait.poll(cx, moved, SHORT, &mut deadline)
        })
        .await;
        assert!(start.elapsed() >= 5 * SHORT);
    });
}
