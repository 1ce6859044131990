//! The findings of validator and garde as field errors: path, code and message, never a value.

use garde::Validate as _;
use serde_json::json;
use tower_contract::ApiError;
use validator::{Validate as _, ValidationErrors, ValidationErrorsKind as Kind};

#[derive(validator::Validate)]
struct Order {
    #[validate(email(message = "This is no e-mail address."))]
    email: String,
    #[validate(nested)]
    items: Vec<Item>,
}

#[derive(validator::Validate)]
struct Item {
    #[validate(range(min = 1))]
    count: u32,
}

/// 422 with one field error for each finding of validator's, sorted by path.
fn of_validator(errors: &ValidationErrors) -> ApiError {
    let mut found = Vec::new();
    findings(errors, "", &mut found);
    found.sort();
    found.into_iter().fold(ApiError::unprocessable(), |error, (path, code, message)| {
        error.with_field(path, code, message)
    })
}

fn findings(errors: &ValidationErrors, at: &str, found: &mut Vec<(String, String, String)>) {
    for (name, kind) in errors.errors() {
        let path = format!("{at}{name}");
        match kind {
            Kind::Field(list) => found.extend(list.iter().map(|one| {
                let message = one.message.as_ref().unwrap_or(&one.code);
                (path.clone(), one.code.to_string(), message.to_string())
            })),
            Kind::Struct(inner) => findings(inner, &format!("{path}."), found),
            Kind::List(list) => {
                for (n, inner) in list {
                    findings(inner, &format!("{path}[{n}]."), found);
                }
            }
        }
    }
}

#[test]
fn findings_of_validator_are_field_errors_sorted_by_path() {
    let order =
        Order { email: "secret".to_owned(), items: vec![Item { count: 1 }, Item { count: 0 }] };
    let error = of_validator(&order.validate().unwrap_err());
    let fields: Vec<_> =
        error.fields().iter().map(|f| json!([f.field, f.code, f.message])).collect();
    assert_eq!(
        fields,
        [
            json!(["email", "email", "This is no e-mail address."]),
            json!(["items[1].count", "range", "range"]),
        ]
    );
    assert!(!format!("{:?}", error.fields()).contains("secret"));
}

#[derive(garde::Validate)]
struct Person {
    #[garde(length(min = 8))]
    password: String,
    #[garde(range(min = 18))]
    age: u32,
}

/// 422 with one field error for each finding of garde's, sorted by path.
fn of_garde(report: &garde::Report) -> ApiError {
    let found = report.iter().map(|(path, error)| (path.to_string(), error.message().to_owned()));
    let mut found: Vec<_> = found.collect();
    found.sort();
    found.into_iter().fold(ApiError::unprocessable(), |error, (path, message)| {
        error.with_field(path, "invalid", message)
    })
}

#[test]
fn findings_of_garde_are_field_errors_sorted_by_path() {
    let person = Person { password: "secret".to_owned(), age: 17 };
    let error = of_garde(&person.validate().unwrap_err());
    let fields: Vec<_> = error.fields().iter().map(|f| &*f.field).collect();
    assert_eq!(fields, ["age", "password"]);
    assert!(!format!("{:?}", error.fields()).contains("secret"));
}
