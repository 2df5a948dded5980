use super::*;

const LINES: [Line; 5] = [
    Line { times: 1.25, plus: 0.001 },
    Line { times: 1.5, plus: 0.005 },
    Line { times: 1.0, plus: 0.3 },
    Line { times: 1.25, plus: 0.01 },
    Line { times: 0.5, plus: 0.2 },
];

/// Whether `(stable, canary)` lies on the side of `line` that is to be refuted, the bet being on `bet`.
fn is_null(line: Line, bet: (f64, f64), point: (f64, f64)) -> bool {
    if bet.1 > line.at(bet.0) { point.1 <= line.at(point.0) } else { point.1 >= line.at(point.0) }
}

#[test]
fn no_point_beyond_the_line_is_worth_more_than_its_price() {
    let rates = [1e-5, 0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99];
    let mut checked = 0;
    for line in LINES {
        for weight in [0.0001, 0.01, 0.25, 0.5, 0.9] {
            for (stable, canary) in rates.iter().flat_map(|&s| rates.iter().map(move |&c| (s, c))) {
                let bet = Bet::new(weight, line, stable, canary);
                for i in 0..=40 {
                    for j in 0..=40 {
                        let point = (f64::from(i) / 40.0, f64::from(j) / 40.0);
                        if is_null(line, (stable, canary), point) {
                            let mean = bet.mean(weight, point.0, point.1);
                            assert!(mean <= 1.0 + 1e-9, "{line:?} {weight} {stable} {canary} {point:?}: {mean}");
                            checked += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 1_000_000);
}

#[test]
fn the_bet_is_worth_its_price_on_the_line_at_its_projection() {
    let line = LINES[0];
    let (stable, canary) = project(0.05, line, 0.01, 0.2);
    let bet = Bet::new(0.05, line, 0.01, 0.2);
    assert!((bet.mean(0.05, stable, canary) - 1.0).abs() < 1e-12);
    assert!((canary - line.at(stable)).abs() < 1e-15);
}

#[test]
fn an_impossible_bet_is_none() {
    let line = LINES[0];
    for (weight, stable, canary) in [
        (0.0, 0.1, 0.5),
        (1.0, 0.1, 0.5),
        (0.5, 0.0, 0.5),
        (0.5, 0.1, 1.0),
        (0.5, 0.1, f64::NAN),
        (0.5, 0.1, line.at(0.1)),
    ] {
        assert_eq!(Bet::new(weight, line, stable, canary), Bet::NONE);
    }
}

#[test]
fn clean_answers_needed_for_promotion_match_the_bound() {
    // ln(100) / -ln(1 - 0.005) = 919 canary requests.
    let bet = Bet::new(0.5, Line { times: 1.5, plus: 0.005 }, 1e-6, 1e-6);
    let counts = Counts { stable: 919, canary: 919, ..Counts::default() };
    assert!((bet.gain(&counts) - 100f64.ln()).abs() < 0.02, "{}", bet.gain(&counts));
}
