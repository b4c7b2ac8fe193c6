//! Whether a plan restarts the server: PostgreSQL does when Entra is switched.

use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::value::Value;
use crate::provider::plan::Plan;
use crate::resources::entra_authentication::switched;

/// What the warning is called.
pub(super) const RESTARTS: &str = "The server restarts";

/// Warns where a plan to create, to update or to replace restarts a server.
pub(super) fn restarts(plan: &mut Plan) {
    let is_replaced = !plan.is_create() && plan.changes("server_id");
    let details = [
        restart_when_set(plan, plan.is_create() || is_replaced).map(str::to_owned),
        restart_when_destroyed(|name| plan.prior(name)).filter(|_| is_replaced),
    ];
    for detail in details.into_iter().flatten() {
        plan.warn(Diagnostic::warning(RESTARTS, detail).at("entra_enabled"));
    }
}

fn restart_when_set(plan: &Plan, is_new: bool) -> Option<&'static str> {
    let id = plan.planned("server_id").as_str().and_then(|text| text.parse().ok());
    if id.is_some_and(|id| ServerKind::of(&id) != Some(ServerKind::Postgresql)) {
        return None;
    }
    match (is_new, plan.planned("entra_enabled").as_bool()) {
        (true, Some(true)) => Some(
            "If Microsoft Entra is not enabled on this PostgreSQL server yet, enabling it restarts the server: open sessions end, and for about a minute \
             nobody can log in.",
        ),
        (false, Some(enabled)) if plan.prior("entra_enabled").as_bool() == Some(!enabled) => Some(
            "Switching Microsoft Entra restarts the PostgreSQL server: open sessions end, and for about a minute nobody can log in.",
        ),
        _ => None,
    }
}

/// What is said where giving back what the server had before restarts it. The others have no such switch, so Entra was on before.
pub(super) fn restart_when_destroyed<'a>(prior: impl Fn(&str) -> &'a Value) -> Option<String> {
    let server_id = prior("server_id").as_str()?;
    let before = prior("previous").as_object()?.get("entra_enabled")?.as_bool()?;
    if prior("entra_enabled").as_bool()? == before {
        return None;
    }
    let unless = match before {
        true => "",
        false => ", unless the server still has Entra administrators by then",
    };
    Some(format!(
        "Destroying this resource switches Microsoft Entra {} again on {server_id}{unless}. That restarts the PostgreSQL server: open sessions end, and for about \
         a minute nobody can log in.",
        switched(before)
    ))
}
