use super::*;

#[test]
fn every_operator_is_understood() {
    for (name, operator) in OPERATORS {
        assert_eq!(parse(&format!("%{name}%")), [Part::Operator(operator)]);
    }
}

fn parse(text: &str) -> Vec<Part> {
    Template::parse(text).unwrap().parts().to_vec()
}

#[test]
fn text_and_operators_alternate() {
    let parts = parse("[%PROTOCOL%] %RESPONSE_CODE%");
    assert_eq!(
        parts,
        [
            Part::Text("[".to_owned()),
            Part::Operator(Operator::Protocol),
            Part::Text("] ".to_owned()),
            Part::Operator(Operator::ResponseCode),
        ]
    );
}

#[test]
fn fields_have_alternatives_and_lengths() {
    let parts = parse("%REQ(X-Original-Path?:PATH):20%%RESP(server)%");
    let name = |text: &str| FieldName::Field(text.parse().unwrap());
    assert_eq!(
        parts,
        [
            Part::Request(Field { names: vec![name("x-original-path"), FieldName::Path], most: Some(20) }),
            Part::Response(Field { names: vec![name("server")], most: None }),
        ]
    );
}

#[test]
fn what_is_no_operator_is_named() {
    for name in ["UNKNOWN", "REQ(a b)", "REQ(a):x", "REQ(a", "duration"] {
        assert_eq!(Template::parse(&format!("a %{name}% b")), Err(UnknownOperator(name.to_owned())));
    }
}

#[test]
fn a_percent_sign_alone_is_one() {
    for text in ["50% of", "%"] {
        assert_eq!(parse(text), [Part::Text(text.to_owned())], "{text}");
    }
}

#[test]
fn a_doubled_percent_sign_is_one() {
    assert_eq!(parse("100%%"), [Part::Text("100%".to_owned())]);
}

proptest::proptest! {
    #[test]
    fn no_template_panics(text in ".*") {
        let _ = Template::parse(&text);
    }
}
