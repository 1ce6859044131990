//! The errors of a contract in an OpenAPI document of utoipa's.

use serde_json::{Value, json};
use tower_contract::Envelope;
use utoipa::OpenApi;

#[utoipa::path(get, path = "/recordings/{id}", responses((status = 200, body = String)))]
#[expect(dead_code, reason = "only its description is used")]
fn recording() {}

#[utoipa::path(post, path = "/recordings", responses((status = "default", description = "its own")))]
#[expect(dead_code, reason = "only its description is used")]
fn record() {}

#[derive(OpenApi)]
#[openapi(paths(recording, record))]
struct Api;

/// The document with one schema of errors, and one `default` response for each operation that has
/// none.
fn with_errors(mut api: Value) -> Value {
    let header = json!({"schema": {"type": "string"}});
    let error = json!({
        "description": "An error",
        "headers": {"Access-Control-Allow-Origin": header},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Envelope"}}},
    });
    api["components"]["schemas"]["Envelope"] = Envelope::json_schema();
    let paths = api["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut());
    for responses in operations.filter_map(|operation| operation["responses"].as_object_mut()) {
        responses.entry("default").or_insert_with(|| error.clone());
    }
    api
}

#[test]
fn each_operation_has_a_default_response_with_the_envelope() {
    let api = with_errors(serde_json::to_value(Api::openapi()).unwrap());
    let schema = &api["components"]["schemas"]["Envelope"];
    assert_eq!(schema["required"].as_array().unwrap().len(), 5);
    let response = &api["paths"]["/recordings/{id}"]["get"]["responses"]["default"];
    let media = &response["content"]["application/json"];
    assert_eq!(media["schema"]["$ref"], "#/components/schemas/Envelope");
    let own = &api["paths"]["/recordings"]["post"]["responses"]["default"];
    assert_eq!(own["description"], "its own");
    // It is a document that utoipa reads again.
    serde_json::from_value::<utoipa::openapi::OpenApi>(api).unwrap();
}
