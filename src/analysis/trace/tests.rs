use proptest::prelude::*;

use super::*;

fn header(routing: Routing) -> Header {
    let meta =
        Meta { routing, start: 1_721_019_272, le_ms: Bounds::try_from(vec![5, 10, 100]).unwrap(), ..Meta::default() };
    Header { policy: Policy::default(), meta }
}

fn write(header: &Header, ticks: &[Tick]) -> String {
    let mut text = String::new();
    write_header(&mut text, header);
    for tick in ticks {
        write_tick(&mut text, &header.meta, tick);
    }
    text
}

#[test]
fn a_tick_is_written_as_specified() {
    let header = header(Routing::Request);
    let stable = tally_from_cumulative(166, 14, 0, &[0, 31, 166]);
    let canary = tally_from_cumulative(2, 0, 0, &[0, 1, 1]);
    let routes = vec![RouteTally { route: "/r/44".into(), stable: (7, 1), canary: (0, 0) }];
    let tick = Tick { t: 43, weight: Ratio::percent(1), stable, canary, routes };
    let text = write(&header, &[tick]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#canary-trace v1"));
    assert_eq!(
        lines.next(),
        Some(
            "#policy {\"alpha\":0.01,\"beta\":0.01,\"warmup_s\":15.0,\"warmup_err_tol\":0.3,\"min_promote_s\":240.0,\
             \"err_tol\":[1.25,0.001],\"err_bad\":[1.5,0.005],\"lat_tol\":[1.25,0.005],\"lat_bad\":[1.5,0.02],\
             \"route_tol\":[1.25,0.01],\"route_bad\":[1.5,0.05]}"
        )
    );
    assert_eq!(
        lines.next(),
        Some("#meta {\"interval_s\":1,\"routing\":\"request\",\"start\":1721019272,\"le_ms\":[5,10,100]}")
    );
    assert_eq!(lines.next(), Some("ts,version,route,weight,requests,errors,err_clients,le_5,le_10,le_100,le_inf"));
    assert_eq!(lines.next(), Some("1721019315,stable,-,0.01,166,14,,0,31,166,166"));
    assert_eq!(lines.next(), Some("1721019315,canary,-,0.01,2,0,,0,1,1,2"));
    assert_eq!(lines.next(), Some("1721019315,stable,/r/44,0.01,7,1,,,,,"));
    assert_eq!(lines.next(), None);
}

#[test]
fn rows_of_one_second_at_two_weights_are_two_ticks() {
    let text = "#canary-trace v1\n1,stable,-,0.01,5,0,,,\n1,stable,-,0.05,6,0,,,\n2,canary,-,0.05,1,1,,,\n";
    let trace = parse(text).unwrap();
    let seen: Vec<_> = trace.ticks.iter().map(|t| (t.t, t.weight.ppm(), t.stable.requests, t.canary.errors)).collect();
    assert_eq!(seen, [(1, 10_000, 5, 0), (1, 50_000, 6, 0), (2, 50_000, 0, 1)]);
}

#[test]
fn what_is_no_trace_is_refused_with_the_line() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert!(matches!(parse("ts,version\n"), Err(TraceError::Magic)));
    assert!(matches!(parse(""), Err(TraceError::Magic)));
    let cases = [
        ("x,stable,-,0.01,5,0,", "line 2: the first field must be whole seconds"),
        ("1,blue,-,0.01,5,0,", "line 2: the version must be `stable` or `canary`"),
        ("1,stable,-,1.5,5,0,", "line 2: the weight must be a fraction from 0 to 1"),
        ("1,stable,-,NaN,5,0,", "line 2: the weight must be a fraction from 0 to 1"),
        ("1,stable,-,0.5,5,6,", "line 2: more errors than requests"),
        ("1,stable,-,0.5,-5,6,", "line 2: requests must be a whole number"),
        ("1,stable,-,0.5,99999999999999999999,6,", "line 2: requests must be a whole number"),
        ("1,stable,-,0.5,5,1,,3,2", "line 2: le_* must rise, up to the requests"),
        ("1,stable,-,0.5,5,1,,3", "line 2: le_* must be whole numbers, one for each bound"),
        ("#policy {\"alpha\":2}x", "line 2: trailing characters at line 1 column 12"),
        ("#meta {\"interval_s\":2}", "line 2: only traces with one row a second can be read"),
    ];
    for (row, expected) in cases {
        assert_eq!(error(&format!("#canary-trace v1\n{row}\n")), expected);
    }
}

#[test]
fn a_route_that_would_break_the_row_is_tamed() {
    let header = header(Routing::Request);
    let routes = vec![RouteTally { route: "a,b\nc".into(), stable: (1, 0), canary: (0, 0) }];
    let trace = parse(&write(&header, &[Tick { routes, ..Tick::default() }])).unwrap();
    assert_eq!(&*trace.ticks[0].routes[0].route, "a_b_c");
}

fn any_tally() -> impl Strategy<Value = Tally> {
    (0u64..50, prop::array::uniform4(0u64..40)).prop_map(|(errors, buckets)| {
        let requests = buckets.iter().sum::<u64>();
        let mut all = [0; BUCKETS];
        all[..4].copy_from_slice(&buckets);
        let errors = errors.min(requests);
        Tally { requests, errors, err_clients: errors / 2, buckets: all }
    })
}

fn any_ticks() -> impl Strategy<Value = Vec<Tick>> {
    let route = ((1u64..9), (0u64..2), (0u64..9), (0u64..1));
    let tick = (1i64..4, 1u32..1_000_000, any_tally(), any_tally(), prop::collection::vec(route, 0..3));
    prop::collection::vec(tick, 0..20).prop_map(|steps| {
        let mut t = -5;
        let mut ticks = Vec::new();
        for (gap, ppm, stable, canary, routes) in steps {
            t += gap;
            let named = routes.into_iter().enumerate();
            let routes = named
                .map(|(i, (n, e, m, f))| RouteTally { route: format!("/r/{i}").into(), stable: (n, e), canary: (m, f) })
                .collect();
            ticks.push(Tick { t, weight: Ratio::from_ppm(ppm).unwrap(), stable, canary, routes });
        }
        // A tick without requests has no rows.
        ticks.retain(|tick: &Tick| tick.stable.requests + tick.canary.requests > 0 || !tick.routes.is_empty());
        ticks
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(ticks in any_ticks(), sticky: bool) {
        let header = header(if sticky { Routing::Sticky } else { Routing::Request });
        let mut expected = ticks.clone();
        if !sticky {
            for tick in &mut expected {
                (tick.stable.err_clients, tick.canary.err_clients) = (0, 0);
            }
        }
        let trace = parse(&write(&header, &ticks)).unwrap();
        prop_assert_eq!(trace.header, header);
        prop_assert_eq!(trace.ticks, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in "(#canary-trace v1\n)?([0-9a-z,.#{}\n-]{0,200})") {
        let _ = parse(&text);
    }
}
