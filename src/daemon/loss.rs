//! The loss of something required, for `lifecycle.on_required_loss = "exit"`.

use crate::dependency::Policy;
use crate::health::{DependencyHealth, Reader, WriterGone};

/// Waits until a required dependency is not up; answers with those that are
/// not, and why.
pub(super) async fn of_required(health: &mut Reader) -> Result<String, WriterGone> {
    let published = health
        .wait_for(|published| !published.verdict.required_up)
        .await?;
    let lost =
        published.snapshot.dependencies.iter().filter(|dependency| {
            dependency.policy == Policy::Required && !dependency.status.is_up()
        });
    let lost: Vec<String> = lost.map(|dependency| plight(dependency)).collect();
    Ok(lost.join(", "))
}

/// A dependency that is not up, with what is wrong and what to do.
fn plight(dependency: &DependencyHealth) -> String {
    let name = &dependency.name;
    match (&dependency.blocked_by, &dependency.failure) {
        (Some(need), _) => format!("{name} (which needs {need})"),
        (None, Some(failure)) => {
            let hint = failure.kind.hint(dependency.kind);
            format!("{name} ({}; {hint})", failure.message)
        }
        (None, None) => name.to_string(),
    }
}
