//! The end of an administrator: only ours is taken away, and never the last one where nobody else could log in.

use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::Result;
use crate::provider::context::Context;
use crate::resources::entra_admin::EntraAdmin;
use crate::resources::entra_admin::ours::Ours;
use crate::resources::entra_admin::seated::Present;
use crate::resources::entra_admin::seats::Seats;

impl EntraAdmin {
    pub(super) async fn remove(self, cx: &Context) -> Result<()> {
        if self.adopted.get() == Some(&true) {
            let detail = "The administrator existed before it was adopted, so it stays an administrator of the server.";
            cx.warn("Administrator left in place", detail);
            return Ok(());
        }
        let Some(ours) = Ours::of(&self, cx) else {
            return Ok(());
        };
        let Some(server) = cx.server(&self.server_id).await? else {
            return Ok(());
        };
        server.must_run()?;
        let seats = Seats::of(&server);
        let _held = server.turn().await?;
        let seated = seats.look().await?;
        let is_ours = |one: &Present| ours.includes(one.sid, &self);
        let on_postgresql = server.kind() == ServerKind::Postgresql;
        let in_its_place = |one: &&Present| !on_postgresql || self.name.get() == Some(&one.name);
        for (id, stranger) in seated.everybody(&server.id).filter(|(_, one)| !is_ours(one)) {
            if in_its_place(&stranger) {
                stays(id, stranger, cx);
            }
        }
        if on_postgresql {
            if seated.has_only(is_ours) {
                seats
                    .must_not_shut_everybody_out(std::slice::from_ref(&server.id))
                    .await?;
            }
            for id in ours.ids() {
                seats.remove(id).await?;
            }
            return Ok(());
        }
        // The server itself is the last one: as long as it has the administrator, the state does not lose it.
        let taken = seated.everybody(&server.id).filter(|(_, one)| is_ours(one));
        let mut taken: Vec<ResourceId> = taken.map(|(id, _)| id.clone()).collect();
        taken.reverse();
        seats.must_not_shut_everybody_out(&taken).await?;
        for id in &taken {
            if let Some(stranger) = seats.unseat(id, is_ours).await? {
                stays(id, &stranger, cx);
            }
        }
        Ok(())
    }
}

/// Says that whoever came since keeps the place.
fn stays(server: &ResourceId, stranger: &Present, cx: &Context) {
    let detail = format!(
        "The administrator of {server} is `{}` now, which was not set here; it stays.",
        stranger.name
    );
    cx.warn("Administrator left in place", detail);
}
