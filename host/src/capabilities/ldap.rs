//! Entries of the directory of a slot, at or below the base DNs of its server.
//!
//! Names and filters are parsed before anything is judged, and what is sent is written anew from what was parsed: so the
//! server cannot read them in another way than the grant did.

mod readable;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use provender_ldap_names::{AttributeName, Dn, Filter, Rdn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::Resource;

use self::readable::{Asked, Attributes, Modified, ReadablePage, Request, shown, shown_filter};
use super::contract::ldap::{
    Attribute, Entry, Error, Host, HostDirectory, HostSearch, Modification, ResultCode, Scope, SearchRequest,
};
use super::{CallState, slots};
use crate::sandbox::{Effect, GuestState, InPreview, Performed, Refusal};
use crate::servers::ldap::{self, Change, LdapError, LdapServer, Lease};

/// A directory bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    /// None in a replay, where nothing happens.
    pub server: Option<Arc<LdapServer>>,
    /// Operations that the slot asks for; empty asks for all.
    pub operations: Vec<String>,
}

/// The directories that a call may open.
#[derive(Clone, Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// What the guest holds a handle to.
pub struct Directory(Arc<Slot>);

/// A search that the guest goes through by pages.
pub struct Search {
    number: u64,
    slot: Arc<Slot>,
    search: Arc<ldap::Search>,
    /// As the guest wrote it.
    filter: String,
    page_size: u32,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    NotBegun,
    /// The server keeps the place, on the connection that [`LdapState`] holds for the slot.
    Begun,
    Ended,
    Failed,
}

/// The directories of a call.
#[derive(Default)]
pub(super) struct LdapState {
    grant: Grant,
    searches: u64,
    /// The search that was begun last, by slot: a connection can keep the place of one.
    current: HashMap<String, u64>,
    /// Connections on which a search has pages left, by slot, with the cookie of the next one. All operations of the slot go
    /// there, so that a call never waits for a connection while it holds one.
    held: HashMap<String, (Lease, Vec<u8>)>,
}

const MAX_PAGE: u32 = 1_000;

impl LdapState {
    pub(super) fn new(grant: Grant) -> Self {
        Self { grant, ..Self::default() }
    }
}

impl Slot {
    /// Whether an operation on these entries is granted.
    fn granted(&self, operation: &str, dns: &[&Dn]) -> Result<(), Refusal> {
        let refuse = |reason: String| Err(slots::refusal(&self.name, &reason));
        if !slots::asks_for(&self.operations, operation) {
            let asked = self.operations.join(", ");
            return refuse(format!("it asks only for {asked}; name `{operation}` in its operations"));
        }
        let Some(server) = &self.server else { return Ok(()) };
        let reachable = |dn: &Dn| server.covers(dn) || operation == "search" && is_public(dn);
        match dns.iter().find(|dn| !reachable(dn)) {
            Some(outside) => {
                let bases: Vec<&str> = server.base_dns().collect();
                refuse(format!("`{outside}` is outside of the base DNs: {}", bases.join("; ")))
            }
            None => Ok(()),
        }
    }
}

/// Where directories keep their schema.
static SCHEMA: LazyLock<Vec<Dn>> =
    LazyLock::new(|| ["cn=subschema", "cn=schema"].into_iter().flat_map(Dn::parse).collect());

/// What every directory tells of itself: its root DSE, and its schema. Nothing else is below them.
fn is_public(dn: &Dn) -> bool {
    dn.is_root() || SCHEMA.contains(dn)
}

/// What an operation gave, and how many bytes came in.
type Done<T> = Result<(T, u64), LdapError>;

impl CallState {
    /// Passes one operation through the gate. `perform` is told how many bytes may come in.
    async fn ldap_effect<T: Serialize + DeserializeOwned + Send>(
        &mut self,
        slot: &Arc<Slot>,
        (operation, in_preview): (&'static str, InPreview<T>),
        (asked, dns): (Asked<'_>, &[&Dn]),
        perform: impl for<'l> FnOnce(&'l mut Lease, Vec<u8>, u64) -> BoxFuture<'l, Done<T>> + Send,
    ) -> wasmtime::Result<Result<T, Error>> {
        let continued = matches!(asked, Asked::Search { continued: true, .. });
        let request = Request { slot: &slot.name, asked };
        let effect = Effect {
            capability: "ldap",
            operation: operation.into(),
            access: in_preview.access(),
            bytes_out: request.bytes(),
            request,
            overlaps: false,
            granted: slot.granted(operation, dns),
        };
        let gate = Arc::clone(&self.guest().gate);
        let mut held = self.ldap.held.remove(&slot.name);
        let kept = &mut held;
        let answer = gate.pass(effect, in_preview, |room| async move {
            let done = match on_connection(slot, kept, continued).await {
                Ok((lease, cookie)) => perform(lease, cookie, room).await,
                Err(error) => Err(error),
            };
            if !kept.as_ref().is_some_and(|(lease, _)| lease.is_usable()) {
                *kept = None;
            }
            match done {
                Ok((value, bytes_in)) => {
                    Performed { answer: Ok(value), bytes_in: Some(bytes_in), refused: None }
                }
                Err(error) => {
                    // More than there was room for is a budget of the call.
                    let over = matches!(error, LdapError::TooLarge { .. });
                    let bytes_in = Some(if over { room.saturating_add(1) } else { 0 });
                    Performed { answer: Err(Error::from(error)), bytes_in, refused: None }
                }
            }
        });
        let answer = answer.await?;
        if let Some(held) = held {
            self.ldap.held.insert(slot.name.clone(), held);
        }
        Ok(answer)
    }

    /// An operation that changes an entry.
    async fn ldap_change(
        &mut self,
        directory: &Resource<Directory>,
        operation: &'static str,
        change: Result<Change, Error>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let change = match change {
            Ok(change) => Arc::new(change),
            Err(error) => return Ok(Err(error)),
        };
        let slot = Arc::clone(&self.table().get(directory)?.0);
        let asked = asked(&change);
        let mut resulting = Dn::default();
        let dns = reached(&change, &mut resulting);
        let sent = Arc::clone(&change);
        let answered = self
            .ldap_effect(&slot, (operation, InPreview::Answered(())), (asked, &dns), move |lease, _, room| {
                async move { Ok(((), lease.change(&sent, room).await?)) }.boxed()
            })
            .await?;
        self.release(&slot);
        Ok(answered)
    }

    /// Gives the connection of a slot back, unless a search has pages left on it.
    fn release(&mut self, slot: &Slot) {
        if self.ldap.held.get(&slot.name).is_some_and(|(_, cookie)| cookie.is_empty()) {
            self.ldap.held.remove(&slot.name);
        }
    }

    /// The next page of a search that has one.
    async fn ldap_page(
        &mut self,
        search: &Resource<Search>,
    ) -> wasmtime::Result<Result<ReadablePage, Error>> {
        let Search { number, slot, search: sought, filter, page_size, progress } =
            self.table().get(search)?;
        let (number, slot, sought, filter) = (*number, Arc::clone(slot), Arc::clone(sought), filter.clone());
        let (page_size, continued) = (*page_size, *progress == Progress::Begun);
        if continued && self.ldap.current.get(&slot.name) != Some(&number) {
            return Ok(Err(Error::Other(
                "another search was begun before this one came to its end".to_owned(),
            )));
        }
        self.ldap.current.insert(slot.name.clone(), number);
        let asked = Asked::Search {
            base: sought.base.to_string(),
            scope: match sought.scope {
                ldap::Scope::Base => "base",
                ldap::Scope::One => "one",
                ldap::Scope::Subtree => "sub",
            },
            filter: shown_filter(&filter),
            attributes: &sought.attributes,
            page_size,
            continued,
        };
        let dns = [&sought.base];
        let sent = Arc::clone(&sought);
        let page = self
            .ldap_effect(&slot, ("search", InPreview::Happens), (asked, &dns), move |lease, cookie, room| {
                async move {
                    let page = lease.page(&sent, page_size, &cookie, room).await?;
                    let more = !page.cookie.is_empty();
                    let entries = page.entries.into_iter().map(Into::into).collect();
                    Ok((ReadablePage { entries, more, cookie: page.cookie }, page.bytes_in))
                }
                .boxed()
            })
            .await?;
        if let Some((_, cookie)) = self.ldap.held.get_mut(&slot.name) {
            *cookie = page.as_ref().map(|page| page.cookie.clone()).unwrap_or_default();
        }
        self.release(&slot);
        self.table().get_mut(search)?.progress = match &page {
            Ok(page) if page.more => Progress::Begun,
            Ok(_) => Progress::Ended,
            Err(_) => Progress::Failed,
        };
        Ok(page)
    }
}

/// The connection that the call holds for a slot, or one of the pool, with the cookie of the next page.
async fn on_connection<'h>(
    slot: &Slot,
    held: &'h mut Option<(Lease, Vec<u8>)>,
    continued: bool,
) -> Result<(&'h mut Lease, Vec<u8>), LdapError> {
    if held.is_none() {
        let server = slot.server.as_ref();
        let server =
            server.ok_or_else(|| LdapError::Unavailable("there is no directory in a replay".to_owned()))?;
        if continued {
            let reason = "the connection that kept the place of the search is gone".to_owned();
            return Err(LdapError::ConnectionLost { reason });
        }
        *held = Some((server.lease().await?, Vec::new()));
    }
    match held {
        Some((lease, cookie)) => Ok((lease, if continued { cookie.clone() } else { Vec::new() })),
        None => Err(LdapError::Unavailable("no connection".to_owned())),
    }
}

fn asked(change: &Change) -> Asked<'_> {
    match change {
        Change::Add { dn, attributes } => {
            Asked::Add { dn: dn.to_string(), attributes: Attributes(attributes) }
        }
        Change::Modify { dn, modifications } => Asked::Modify {
            dn: dn.to_string(),
            modifications: modifications.iter().map(Modified::from).collect(),
        },
        Change::ModifyDn { dn, new_rdn, delete_old_rdn, new_superior } => Asked::ModifyDn {
            dn: dn.to_string(),
            new_rdn: new_rdn.to_string(),
            delete_old_rdn: *delete_old_rdn,
            new_superior: new_superior.as_ref().map(Dn::to_string),
        },
        Change::Delete { dn } => Asked::Delete { dn: dn.to_string() },
    }
}

/// All entries that a change touches; `resulting` takes the name that an entry gets.
fn reached<'a>(change: &'a Change, resulting: &'a mut Dn) -> Vec<&'a Dn> {
    match change {
        Change::Add { dn, .. } | Change::Modify { dn, .. } | Change::Delete { dn } => vec![dn],
        Change::ModifyDn { dn, new_rdn, new_superior, .. } => {
            let superior = new_superior.clone().or_else(|| dn.parent()).unwrap_or_default();
            *resulting = superior.below(new_rdn.clone());
            let touched = [Some(dn), new_superior.as_ref(), Some(resulting)];
            touched.into_iter().flatten().collect()
        }
    }
}

impl From<LdapError> for Error {
    fn from(error: LdapError) -> Self {
        let message = error.to_string();
        match error {
            LdapError::Answer(result) => Self::Answer(ResultCode {
                code: result.code,
                name: result.name().to_owned(),
                matched_dn: result.matched_dn,
                diagnostic_message: result.diagnostic_message,
                referrals: result.referrals,
            }),
            LdapError::Authentication(_) => Self::Authentication(message),
            LdapError::Refused(_) => Self::Refused(message),
            LdapError::Unavailable(_) => Self::Unavailable(message),
            LdapError::ConnectionLost { .. } | LdapError::Timeout { .. } => Self::ConnectionLost(message),
            LdapError::TooLarge { .. } => Self::TooLarge(message),
        }
    }
}

fn parsed_dn(text: &str) -> Result<Dn, Error> {
    Dn::parse(text).map_err(|error| Error::InvalidArgument(error.to_string()))
}

fn parsed_attribute(Attribute { name, values }: Attribute) -> Result<ldap::Attribute, Error> {
    named(&name)?;
    Ok(ldap::Attribute { name, values })
}

fn named(attribute: &str) -> Result<(), Error> {
    AttributeName::parse(attribute).map(drop).map_err(|error| Error::InvalidArgument(error.to_string()))
}

fn parsed_modification(modification: Modification) -> Result<ldap::Modification, Error> {
    Ok(match modification {
        Modification::Add(attribute) => ldap::Modification::Add(parsed_attribute(attribute)?),
        Modification::Delete(attribute) => ldap::Modification::Delete(parsed_attribute(attribute)?),
        Modification::Replace(attribute) => ldap::Modification::Replace(parsed_attribute(attribute)?),
    })
}

fn parsed_search(request: &SearchRequest) -> Result<ldap::Search, Error> {
    let invalid = |problem: String| Error::InvalidArgument(problem);
    if !(1..=MAX_PAGE).contains(&request.page_size) {
        return Err(invalid(format!("a page of {} entries; it must be 1 to {MAX_PAGE}", request.page_size)));
    }
    let base = parsed_dn(&request.base)?;
    if is_public(&base) && request.scope != Scope::BaseObject {
        return Err(invalid(format!(
            "below {:?} nothing can be searched; only it can be read",
            request.base
        )));
    }
    let special = |name: &str| matches!(name, "*" | "+" | "1.1");
    for name in request.attributes.iter().filter(|name| !special(name)) {
        named(name)?;
    }
    Ok(ldap::Search {
        base,
        scope: match request.scope {
            Scope::BaseObject => ldap::Scope::Base,
            Scope::SingleLevel => ldap::Scope::One,
            Scope::WholeSubtree => ldap::Scope::Subtree,
        },
        filter: Filter::parse(&request.filter).map_err(|error| invalid(error.to_string()))?,
        attributes: request.attributes.clone(),
    })
}

fn entry(entry: ldap::Entry) -> Entry {
    let attribute = |ldap::Attribute { name, values }| Attribute { name, values };
    Entry { dn: entry.dn, attributes: entry.attributes.into_iter().map(attribute).collect() }
}

impl Host for CallState {
    async fn open(&mut self, slot: String) -> wasmtime::Result<Result<Resource<Directory>, Error>> {
        let found = slots::opened(&self.ldap.grant.0, |slot| &slot.name, ("directory", &slot));
        let directory = match found {
            Ok(found) => Directory(found),
            Err(refused) => return Ok(Err(Error::Refused(refused))),
        };
        Ok(Ok(self.table().push(directory)?))
    }
}

impl HostDirectory for CallState {
    async fn search(
        &mut self,
        directory: Resource<Directory>,
        request: SearchRequest,
    ) -> wasmtime::Result<Result<Resource<Search>, Error>> {
        let slot = Arc::clone(&self.table().get(&directory)?.0);
        let search = match parsed_search(&request) {
            Ok(search) => Arc::new(search),
            Err(error) => return Ok(Err(error)),
        };
        self.ldap.searches += 1;
        let (number, page_size) = (self.ldap.searches, request.page_size);
        let progress = Progress::NotBegun;
        let search = Search { number, slot, search, filter: request.filter, page_size, progress };
        Ok(Ok(self.table().push(search)?))
    }

    async fn compare(
        &mut self,
        directory: Resource<Directory>,
        dn: String,
        attribute: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let slot = Arc::clone(&self.table().get(&directory)?.0);
        let dn = match named(&attribute).and_then(|()| parsed_dn(&dn)) {
            Ok(dn) => dn,
            Err(error) => return Ok(Err(error)),
        };
        let asked =
            Asked::Compare { dn: dn.to_string(), attribute: &attribute, value: shown(&attribute, &value) };
        let (sent, name) = (dn.clone(), attribute.clone());
        let compared = self
            .ldap_effect(&slot, ("compare", InPreview::Happens), (asked, &[&dn]), move |lease, _, room| {
                async move { lease.compare(&sent, &name, &value, room).await }.boxed()
            })
            .await?;
        self.release(&slot);
        Ok(compared)
    }

    async fn add(
        &mut self,
        directory: Resource<Directory>,
        entry: Entry,
    ) -> wasmtime::Result<Result<(), Error>> {
        let attributes = entry.attributes.into_iter().map(parsed_attribute).collect::<Result<Vec<_>, _>>();
        let change = parsed_dn(&entry.dn).and_then(|dn| Ok(Change::Add { dn, attributes: attributes? }));
        self.ldap_change(&directory, "add", change).await
    }

    async fn modify(
        &mut self,
        directory: Resource<Directory>,
        dn: String,
        modifications: Vec<Modification>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let modifications = modifications.into_iter().map(parsed_modification).collect::<Result<Vec<_>, _>>();
        let change = parsed_dn(&dn).and_then(|dn| Ok(Change::Modify { dn, modifications: modifications? }));
        self.ldap_change(&directory, "modify", change).await
    }

    async fn modify_dn(
        &mut self,
        directory: Resource<Directory>,
        dn: String,
        new_rdn: String,
        delete_old_rdn: bool,
        new_superior: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let parsed = || {
            let dn = parsed_dn(&dn)?;
            let new_rdn = Rdn::parse(&new_rdn).map_err(|error| Error::InvalidArgument(error.to_string()))?;
            let new_superior = new_superior.as_deref().map(parsed_dn).transpose()?;
            Ok(Change::ModifyDn { dn, new_rdn, delete_old_rdn, new_superior })
        };
        self.ldap_change(&directory, "modify-dn", parsed()).await
    }

    async fn delete(
        &mut self,
        directory: Resource<Directory>,
        dn: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.ldap_change(&directory, "delete", parsed_dn(&dn).map(|dn| Change::Delete { dn })).await
    }

    async fn drop(&mut self, directory: Resource<Directory>) -> wasmtime::Result<()> {
        self.table().delete(directory)?;
        Ok(())
    }
}

impl HostSearch for CallState {
    async fn next(&mut self, search: Resource<Search>) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        loop {
            match self.table().get(&search)?.progress {
                Progress::Ended => return Ok(Ok(Vec::new())),
                Progress::Failed => return Ok(Err(Error::Other("the search failed before".to_owned()))),
                Progress::NotBegun | Progress::Begun => {}
            }
            match self.ldap_page(&search).await? {
                Ok(page) if page.entries.is_empty() && page.more => {}
                Ok(page) => {
                    let entries = page.entries.into_iter().map(|found| entry(found.into()));
                    return Ok(Ok(entries.collect()));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    async fn drop(&mut self, search: Resource<Search>) -> wasmtime::Result<()> {
        let Search { number, slot, .. } = self.table().delete(search)?;
        if self.ldap.current.get(&slot.name) == Some(&number) {
            self.ldap.held.remove(&slot.name);
        }
        Ok(())
    }
}
