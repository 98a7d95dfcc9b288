//! What the API says about itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Rig;

#[test]
fn the_document_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let document = std::fs::read_to_string(path).expect("there is a document");
    let described = budgetd::api::openapi().to_pretty_json().unwrap();
    assert!(
        document.trim_end() == described,
        "docs/openapi.json is not what the code says: \
         run `cargo run --example openapi > docs/openapi.json`"
    );
}

#[tokio::test]
async fn every_path_is_documented_with_its_statuses() {
    let rig = Rig::start().await;
    let answer = rig.daemon.get("/openapi.json").await.unwrap();
    let document = answer.json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = &document["paths"][path][method]["responses"];
        let responses = responses.as_object();
        let responses = responses.unwrap_or_else(|| panic!("{method} {path} is not documented"));
        responses.keys().cloned().collect()
    };
    let version = "/api/v1/budget-versions/{id}";
    let consolidation = "/api/v1/consolidation/{id}";
    let operations = [
        ("/api/v1/budget-versions".to_owned(), "get", "200"),
        ("/api/v1/budget-versions".to_owned(), "post", "201 404 409"),
        (version.to_owned(), "get", "200 304 404"),
        (version.to_owned(), "put", "200 404 412"),
        (version.to_owned(), "delete", "204 404 412"),
        (format!("{version}/submit"), "put", "200 404 412"),
        (format!("{version}/approve"), "put", "200 404 412"),
        (format!("{version}/supersede"), "put", "200 404 412"),
        (format!("{version}/clone"), "post", "201 404 409 412"),
        (format!("{version}/lines"), "get", "200 304 404"),
        (format!("{version}/lines"), "post", "201 404 412"),
        (format!("{version}/lines/{{line_id}}"), "put", "200 404 412"),
        (
            format!("{version}/lines/{{line_id}}"),
            "delete",
            "204 404 412",
        ),
        (consolidation.to_owned(), "get", "200 304 404"),
        (format!("{consolidation}/summary"), "get", "200 304 404"),
        (
            format!("{consolidation}/statements/periods"),
            "get",
            "200 304 404",
        ),
        (
            format!("{consolidation}/statements/periods/{{period}}"),
            "get",
            "200 304 404",
        ),
        (
            format!("{consolidation}/statements/income"),
            "get",
            "200 304 404",
        ),
        ("/api/v1/analysis/compare".to_owned(), "get", "200 304 404"),
    ];
    for (path, method, own) in &operations {
        let operation = &document["paths"][path.as_str()][*method];
        let mut expected: BTreeSet<&str> = own.split(' ').collect();
        expected.extend(["401", "413", "422", "429", "500", "503"]);
        if *method != "get" {
            expected.insert("403");
        }
        if operation["requestBody"].is_object() {
            expected.extend(["408", "415"]);
        }
        let documented = statuses(path, method);
        let documented: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
        assert_eq!(documented, expected, "{method} {path}");
        assert!(
            operation["security"].is_array(),
            "{method} {path} needs a token"
        );
    }
    let count: usize = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| path.starts_with("/api/v1"))
        .map(|(_, methods)| methods.as_object().unwrap().len())
        .sum();
    assert_eq!(count, operations.len(), "and nothing else is");
}

/// What `OpenAPI` 3.1 asks for beyond the form of its parts.
#[tokio::test]
async fn operations_have_names_of_their_own_and_responses_descriptions() {
    let rig = Rig::start().await;
    let document = rig.daemon.get("/openapi.json").await.unwrap().json();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name.to_owned()),
                "{name} twice: {method} {path}"
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                let description = response["description"].as_str();
                let told = description.is_some_and(|text| !text.is_empty());
                assert!(told, "{method} {path}: {status} has no description");
            }
            let parameters = operation["parameters"].as_array();
            let conditional = parameters.is_some_and(|parameters| {
                let name = |parameter: &Value| parameter["name"] == "If-None-Match";
                parameters.iter().any(name)
            });
            let may_be_304 = operation["responses"]["304"].is_object();
            assert_eq!(conditional, may_be_304, "{method} {path}");
        }
    }
}

/// Every `$ref` in a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let rig = Rig::start().await;
    let document = rig.daemon.get("/openapi.json").await.unwrap().json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}
