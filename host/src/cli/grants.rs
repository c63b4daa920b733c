//! What a plugin asks for and what it is granted, on one page.

use super::answer::{Table, printable, yes_or_no};
use crate::administration::{GrantedServer, GrantedSlot, TargetGrants};
use crate::plugins::{ExpectedAnswer, SafeRequest};
use crate::sandbox::{Import, Support};

/// The page of a target.
pub(super) fn page(granted: &TargetGrants) -> String {
    let TargetGrants { target, plugin, version, digest, subject_kinds, imports, slots, limits } = granted;
    let fields = Table::of_fields([
        ("target", target.clone()),
        ("plugin", format!("{plugin} {version}")),
        ("digest", digest.clone()),
        ("handles", subject_kinds.join(", ")),
    ]);
    let slots: String = slots.iter().map(slot).collect();
    let limits: Table = limits
        .iter()
        .map(|limit| {
            let by = if limit.of_target { "set by the target" } else { "of the host" };
            let value = format!("{} {}", limit.value, limit.unit);
            vec![format!("  {}", limit.name), value, by.to_owned(), limit.covers.clone()]
        })
        .collect();
    format!(
        "{fields}\nslots:\n{}\nimports:\n{}\nlimits of a call:\n{limits}",
        if slots.is_empty() { "  none\n".to_owned() } else { slots },
        self::imports(imports)
    )
}

fn slot(slot: &GrantedSlot) -> String {
    let GrantedSlot { name, kind, summary, safe_requests, expected_answers, server, .. } = slot;
    let need = if slot.required { "required" } else { "optional" };
    let mut fields = vec![("  asks for", asked(&slot.operations))];
    fields
        .push(("  granted", server.as_ref().map_or_else(|| "nothing: no server is bound".to_owned(), reach)));
    if let Some(GrantedServer { secrets, private_addresses, .. }) = server {
        let secrets: Vec<String> = secrets.iter().map(|(name, place)| format!("{name}, {place}")).collect();
        fields.push(("  secrets", if secrets.is_empty() { "none".to_owned() } else { secrets.join("; ") }));
        fields.extend(private_addresses.map(|private| ("  private addresses", yes_or_no(private))));
    }
    let head = printable(&format!("  {name} ({kind}, {need}): {summary}"));
    format!("{head}\n{}{}", Table::of_fields(fields), requests(safe_requests, expected_answers, "    "))
}

fn reach(server: &GrantedServer) -> String {
    format!("server `{}`, at or below {}", server.id, server.reach.join(", "))
}

/// The operations that a slot asks for.
pub(super) fn asked(operations: &[String]) -> String {
    if operations.is_empty() { "everything".to_owned() } else { operations.join(", ") }
}

/// What a preview makes of requests: those that are performed, and the answers to others.
pub(super) fn requests(safe: &[SafeRequest], expected: &[ExpectedAnswer], indentation: &str) -> String {
    let safe = safe.iter().map(|SafeRequest { slot, method, path }| {
        format!("{indentation}{method} {path} at `{slot}` changes nothing: a preview performs it\n")
    });
    let expected = expected.iter().map(|ExpectedAnswer { slot, method, path, status, .. }| {
        format!("{indentation}{method} {path} at `{slot}` is answered {status} in a preview\n")
    });
    // Lines end with a line end of their own, which is not the plugin's.
    safe.chain(expected).map(|line| format!("{}\n", printable(line.trim_end_matches('\n')))).collect()
}

/// All that a binary can call, and what each is worth here.
pub(super) fn imports(imports: &[Import]) -> Table {
    imports
        .iter()
        .map(|import| vec![format!("  {}", import.name), worth(import.support).to_owned()])
        .collect()
}

fn worth(support: Support) -> &'static str {
    match support {
        Support::Capability => "capability: acts within what the target grants",
        Support::Runtime => "of the language runtime: inert or deterministic",
        Support::Denied => "stub: every call is refused",
        Support::Types => "types only",
    }
}
