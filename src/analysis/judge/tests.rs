use super::*;

fn tick(t: i64, weight: u32, stable: (u64, u64), canary: (u64, u64)) -> Tick {
    let tally = |(requests, errors)| {
        let mut tally = Tally { requests, errors, err_clients: errors, ..Tally::default() };
        tally.buckets[3] = requests;
        tally
    };
    Tick { t, weight: Ratio::percent(weight), stable: tally(stable), canary: tally(canary), routes: Vec::new() }
}

#[test]
fn a_total_failure_is_convicted_while_it_warms_up() {
    let mut judge = Judge::new(Policy::default(), Bounds::default());
    for t in -30..0 {
        judge.observe(&tick(t, 0, (166, 0), (0, 0)), None);
    }
    let mut hurt = 0;
    for t in 0..15 {
        hurt += 2;
        let report = judge.observe(&tick(t, 1, (164, 0), (2, 2)), None);
        println!("{t} {} {:?}", report.log_e, report.verdict);
        if report.verdict == Verdict::Fail {
            assert_eq!(report.culprit, Some(Culprit::Errors));
            assert!(hurt <= 8, "{hurt}");
            return;
        }
    }
    panic!("not convicted");
}

#[test]
fn a_clean_canary_is_promoted_after_the_least_time() {
    let mut judge = Judge::new(Policy::default(), Bounds::default());
    for t in 0..1000 {
        let report = judge.observe(&tick(t, 50, (50, 0), (50, 0)), None);
        assert_ne!(report.verdict, Verdict::Fail);
        if report.verdict == Verdict::Pass {
            assert!((240..=242).contains(&t), "{t}");
            return;
        }
    }
    panic!("not promoted");
}
