use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, InvalidAmount> {
    text.parse::<Amount>().map(|amount| amount.to_string())
}

#[test]
fn an_amount_is_written_with_two_decimals() {
    for (text, written) in [
        ("45678000.00", "45678000.00"),
        ("45678000", "45678000.00"),
        ("0.5", "0.50"),
        ("-12.34", "-12.34"),
        ("+7", "7.00"),
        ("007.10", "7.10"),
        ("-0.00", "0.00"),
        ("0", "0.00"),
        ("9999999999999.99", "9999999999999.99"),
        ("1e3", "1000.00"),
        ("1.5E-1", "0.15"),
        ("-0e0", "0.00"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(written), "{text}");
    }
}

#[test]
fn what_is_no_amount_is_refused_and_never_rounded() {
    use InvalidAmount::{NotDecimal, TooLarge, TooManyPlaces};
    for (text, why) in [
        ("", NotDecimal),
        ("-", NotDecimal),
        (".5", NotDecimal),
        ("5.", NotDecimal),
        ("1,5", NotDecimal),
        ("1_000", NotDecimal),
        ("1_0e3", NotDecimal),
        (" 1", NotDecimal),
        ("--1", NotDecimal),
        ("NaN", NotDecimal),
        ("٣", NotDecimal),
        ("e", NotDecimal),
        ("1e", NotDecimal),
        ("1.234", TooManyPlaces),
        ("1.230", TooManyPlaces),
        ("1e-3", TooManyPlaces),
        ("10000000000000", TooLarge),
        ("-10000000000000.00", TooLarge),
        ("1e13", TooLarge),
        ("1e+21", TooLarge),
        (&"9".repeat(10_000), TooLarge),
    ] {
        assert_eq!(read(text), Err(why), "{text:.40}");
    }
}

#[test]
fn what_the_database_gives_has_two_decimals_at_most() {
    let from = |text: &str| Amount::try_from(text.parse::<Decimal>().unwrap());
    assert_eq!(from("12.3").unwrap().to_string(), "12.30");
    assert_eq!(from("12.3000").unwrap().to_string(), "12.30");
    assert_eq!(from("12.345"), Err(InvalidAmount::TooManyPlaces));
    // The sum of 100,000 of the largest lines.
    assert_eq!(
        from("999999999999999000.00").unwrap().to_string(),
        "999999999999999000.00"
    );
    assert_eq!(
        from("79228162514264337593543950335"),
        Err(InvalidAmount::TooLarge)
    );
}

#[test]
fn zero_has_no_sign() {
    let one = Amount::from_halalas(100);
    assert_eq!((one - one).to_string(), "0.00");
    assert_eq!((Amount::ZERO - Amount::ZERO).to_string(), "0.00");
    assert_eq!((Amount::from_halalas(-100) + one).to_string(), "0.00");
}

proptest! {
    #[test]
    fn text_and_back(halalas in -999_999_999_999_999_i64..=999_999_999_999_999) {
        let amount = Amount::from_halalas(halalas);
        let text = amount.to_string();
        prop_assert_eq!(text.parse(), Ok(amount));
        prop_assert_eq!(serde_json::to_string(&amount).unwrap(), format!("\"{text}\""));
        prop_assert_eq!(Amount::try_from(amount.decimal()), Ok(amount));
    }

    #[test]
    fn sums_are_exact(all in prop::collection::vec(-999_999_999_999_999_i64..=999_999_999_999_999, 0..50)) {
        let sum: Amount = all.iter().copied().map(Amount::from_halalas).sum();
        let expected: i128 = all.iter().copied().map(i128::from).sum();
        prop_assert_eq!(sum.decimal().mantissa(), expected);
        prop_assert_eq!(sum.decimal().scale(), 2);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+]?[0-9.eE_]{0,40}|.{0,20}") {
        if let Ok(amount) = text.parse::<Amount>() {
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
