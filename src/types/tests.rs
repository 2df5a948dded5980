use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_ratio_reads_back_what_it_writes(ppm in 0..=Ratio::PARTS) {
        let ratio = Ratio::from_ppm(ppm).unwrap();
        prop_assert_eq!(ratio.to_string().parse::<Ratio>().unwrap(), ratio);
    }

    #[test]
    fn a_span_reads_back_what_it_writes(millis in 0..=u64::from(u32::MAX) * 1000) {
        let span = Span::millis(millis);
        prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*") {
        let _ = text.parse::<Ratio>();
        let _ = text.parse::<Span>();
        let _ = text.parse::<Name>();
    }
}

#[test]
fn percentages_are_written_down_to_a_hundredth() {
    assert_eq!("5%".parse::<Ratio>().unwrap().ppm(), 50_000);
    assert_eq!("0.01%".parse::<Ratio>().unwrap().ppm(), 100);
    assert_eq!("100%".parse::<Ratio>().unwrap(), Ratio::ONE);
    assert_eq!(Ratio::from_ppm(5_000).unwrap().to_string(), "0.5%");
}

#[test]
fn what_is_not_a_percentage_says_how_to_write_one() {
    for text in ["5", "%", "-1%", "5.%", "a%", "1e2%"] {
        let error = text.parse::<Ratio>().unwrap_err();
        assert!(error.to_string().contains("write it like 5%"), "{text}: {error}");
    }
    assert!(matches!("101%".parse::<Ratio>(), Err(RatioError::TooLarge(_))));
    assert!(matches!("99999999999%".parse::<Ratio>(), Err(RatioError::TooLarge(_))));
    assert!(matches!("0.00001%".parse::<Ratio>(), Err(RatioError::TooFine(_))));
}

#[test]
fn spans_are_read_as_people_write_them() {
    assert_eq!("1m30s".parse::<Span>().unwrap(), Span::secs(90));
    assert_eq!("500ms".parse::<Span>().unwrap(), Span::millis(500));
    for text in ["", "30", "s", "1s1m", "-5s", "1y"] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
}

#[test]
fn a_clock_going_backwards_makes_no_negative_time() {
    let (early, late) = (Timestamp::from_secs(10), Timestamp::from_secs(20));
    assert_eq!(late.since(early), Duration::from_secs(10));
    assert_eq!(early.since(late), Duration::ZERO);
}

#[test]
fn a_timestamp_is_rfc_3339_and_reads_back() {
    let time = Timestamp::from_millis(1_721_019_272_125);
    let text = serde_json::to_string(&time).unwrap();
    assert_eq!(text, "\"2024-07-15T04:54:32.125Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), time);
}

#[test]
fn names_refuse_what_would_break_a_log_line() {
    assert!("shop-v1".parse::<Name>().is_ok());
    assert!("team/shop".parse::<Name>().is_ok());
    for text in ["", "-a", "a-", "A", "a b", "a\n", "ü"] {
        assert!(text.parse::<Name>().is_err(), "{text}");
    }
}
