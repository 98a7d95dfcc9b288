use super::*;

/// A version with this name, of this status.
pub(in crate::budget) fn version(status: VersionStatus) -> Version {
    let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
    Version {
        id: VersionId::new(uuid::Uuid::from_u128(1)),
        organization_id: OrganizationId::SINGLE,
        name: "Budget 2026".to_owned(),
        fiscal_year: 2026,
        academic_year: "2025/26".to_owned(),
        notes: None,
        status,
        is_baseline: false,
        parent_version_id: None,
        submitted_at: None,
        submitted_by_id: None,
        approved_at: None,
        approved_by_id: None,
        created_at: at,
        updated_at: at,
        revision_token: RevisionToken::new(uuid::Uuid::from_u128(2)),
    }
}

#[test]
fn a_version_is_written_as_the_client_knows_it() {
    let json = serde_json::to_string(&version(VersionStatus::Working)).unwrap();
    assert_eq!(
        json,
        "{\"id\":\"00000000-0000-0000-0000-000000000001\",\
         \"organization_id\":\"00000000-0000-0000-0000-000000000000\",\
         \"name\":\"Budget 2026\",\"fiscal_year\":2026,\"academic_year\":\"2025/26\",\
         \"notes\":null,\"status\":\"working\",\"is_baseline\":false,\"parent_version_id\":null,\
         \"submitted_at\":null,\"submitted_by_id\":null,\"approved_at\":null,\
         \"approved_by_id\":null,\"created_at\":\"2026-01-02T03:04:05.678Z\",\
         \"updated_at\":\"2026-01-02T03:04:05.678Z\",\
         \"revision_token\":\"00000000-0000-0000-0000-000000000002\"}"
    );
}

#[test]
fn the_academic_year_follows_from_the_fiscal_year() {
    let new = |body: &str| NewVersion::from_json(body.as_bytes()).unwrap();
    let left_out = new(r#"{"name": " Budget ", "fiscal_year": 2026}"#);
    assert_eq!(left_out.academic_year, "2025-2026");
    assert_eq!(left_out.name, "Budget");
    let given = new(r#"{"name": "Budget", "fiscal_year": "2026", "academic_year": "2026"}"#);
    assert_eq!(given.academic_year, "2026");
}

#[test]
fn a_copy_is_of_the_year_that_was_asked_for() {
    let source = version(VersionStatus::Approved);
    let years = |body: &str| {
        let request = CloneRequest::from_json(body.as_bytes()).unwrap();
        request.years(&source)
    };
    assert_eq!(years(r#"{"name": "n"}"#), (2026, "2025/26".into()));
    assert_eq!(
        years(r#"{"name": "n", "fiscal_year": 2027}"#),
        (2027, "2026-2027".into())
    );
    assert_eq!(
        years(r#"{"name": "n", "fiscal_year": 2027, "academic_year": "2027"}"#),
        (2027, "2027".into())
    );
    let request = |body: &str| CloneRequest::from_json(body.as_bytes()).unwrap();
    assert!(request(r#"{"name": "n"}"#).clone_configuration);
    assert!(!request(r#"{"name": "n", "clone_configuration": false}"#).clone_configuration);
}
