use super::*;

const IDLE: Duration = Duration::from_secs(5);

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn an_exchange_that_waits_for_the_head_is_left_to_the_upstreams_timers() {
    let still = Standstill::new(at(0));
    assert_eq!(still.look(at(1000), IDLE), None);
}

#[test]
fn a_client_that_stops_sending_is_late() {
    let still = Standstill::new(at(0));
    still.upload_moved();
    still.upload_awaited();
    assert_eq!(still.look(at(1), IDLE), None);
    assert_eq!(still.look(at(5), IDLE), None);
    assert_eq!(still.look(at(6), IDLE), Some(Fault::ClientTimeout));
}

#[test]
fn a_client_that_stops_reading_is_late() {
    let still = Standstill::new(at(0));
    still.download_awaited();
    still.download_moved();
    still.look(at(1), IDLE);
    assert_eq!(still.look(at(6), IDLE), Some(Fault::ClientTimeout));
}

#[test]
fn an_upstream_that_stops_sending_is_late() {
    let still = Standstill::new(at(0));
    still.download_moved();
    still.download_awaited();
    still.look(at(1), IDLE);
    assert_eq!(still.look(at(6), IDLE), Some(Fault::UpstreamIdle));
}

#[test]
fn every_step_starts_the_time_again() {
    let still = Standstill::new(at(0));
    for second in 0..100 {
        still.download_moved();
        assert_eq!(still.look(at(second * 4), IDLE), None);
    }
}

#[test]
fn an_upload_that_goes_on_keeps_the_exchange_alive() {
    let still = Standstill::new(at(0));
    still.download_awaited();
    for second in 0..100 {
        still.upload_moved();
        assert_eq!(still.look(at(second * 4), IDLE), None);
    }
}

#[test]
fn giving_up_wakes_the_task_once_and_is_not_noticed_again() {
    let still = Standstill::new(at(0));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(still.poll(&mut cx).is_pending());
    still.give_up(Fault::UpstreamIdle);
    assert_eq!(still.poll(&mut cx), Poll::Ready(Fault::UpstreamIdle));
    still.download_awaited();
    still.look(at(1), IDLE);
    assert_eq!(still.look(at(100), IDLE), None);
}
