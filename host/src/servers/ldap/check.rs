//! What a directory says of itself.

use std::sync::Arc;

use provender_ldap_names::{Dn, Filter};

use super::{Entry, LdapError, LdapServer, Lease, Scope, Search};

/// What a check reads of one answer at most.
const CHECK_BYTES: u64 = 1 << 20;

impl LdapServer {
    /// Connects, binds, reads what the server says of itself and each base DN. Gives lines for the operator; changes nothing.
    pub async fn check(self: &Arc<Self>) -> Result<Vec<String>, String> {
        let mut lease = self.lease().await.map_err(|error| error.to_string())?;
        let root = read(&mut lease, Dn::default(), &["vendorName", "vendorVersion", "namingContexts"]).await;
        let root = root.map_err(|error| format!("the root DSE cannot be read: {error}"))?;
        let told = |name: &str| {
            root.as_ref().map(|root| root.texts(name).join(", ")).filter(|text| !text.is_empty())
        };
        let mut lines = vec![format!("{} is connected{}", self.url, self.as_whom())];
        if let Some(vendor) = told("vendorName") {
            lines.push(
                format!("it is {vendor} {}", told("vendorVersion").unwrap_or_default()).trim_end().to_owned(),
            );
        }
        let contexts = told("namingContexts").unwrap_or_else(|| "nothing that it tells of".to_owned());
        lines.push(format!("it holds {contexts}"));
        for (text, base) in &self.base_dns {
            match read(&mut lease, base.clone(), &["objectClass"]).await {
                Ok(Some(entry)) => {
                    lines.push(format!("{text} is there: {}", entry.texts("objectClass").join(", ")));
                }
                Ok(None) => return Err(format!("{text} cannot be read: the server gives no entry")),
                Err(error) => return Err(format!("{text} cannot be read: {error}")),
            }
        }
        Ok(lines)
    }

    fn as_whom(&self) -> String {
        match &self.bind {
            super::Bind::None => ", anonymously".to_owned(),
            super::Bind::Simple { dn, .. } => format!(", bound as {dn}"),
            super::Bind::External => ", bound by its client certificate".to_owned(),
        }
    }
}

async fn read(lease: &mut Lease, base: Dn, attributes: &[&str]) -> Result<Option<Entry>, LdapError> {
    let filter = Filter::Present("objectClass".to_owned());
    let attributes = attributes.iter().map(|&name| name.to_owned()).collect();
    let search = Search { base, scope: Scope::Base, filter, attributes };
    let request = super::Request::search(&search, None);
    Ok(lease.exchange(&request, CHECK_BYTES).await?.entries.pop())
}

impl Entry {
    /// The values of an attribute, as texts.
    fn texts(&self, name: &str) -> Vec<String> {
        let named = self.attributes.iter().filter(|attribute| attribute.name.eq_ignore_ascii_case(name));
        named
            .flat_map(|attribute| &attribute.values)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}
