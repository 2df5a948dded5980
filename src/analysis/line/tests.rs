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

#[test]
fn a_root_is_found_in_a_handful_of_steps() {
    for (guess, most) in [(0.0, 8), (1.4, 5)] {
        let looks = std::cell::Cell::new(0);
        let square = |x: f64| {
            looks.set(looks.get() + 1);
            (x * x - 2.0, 2.0 * x)
        };
        assert!((root(square, (0.0, 2.0), guess) - 2f64.sqrt()).abs() < 1e-15);
        assert!(looks.get() <= most, "{}", looks.get());
    }
}

#[test]
fn where_failures_are_rare_the_guess_is_nearly_the_projection() {
    for weight in [0.01, 0.25, 0.5] {
        for (stable, canary) in [(1e-4, 0.003), (0.002, 0.02), (0.01, 0.06)] {
            let projection = project(weight, LINES[0], stable, canary).0;
            let off = guess(weight, LINES[0], stable, canary) / projection - 1.0;
            assert!(off.abs() < 0.06, "{weight} {stable} {canary}: {off}");
        }
    }
}
