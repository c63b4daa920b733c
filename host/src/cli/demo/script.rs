//! What happens in the demo after everybody was provisioned: changes, removals, a return, and failures on purpose.

use serde::Serialize;
use uuid::Uuid;

use super::people::{self, Member};
use super::receiver::Receiver;
use super::setup::{ASTRAY, CO, STARVED};
use crate::cli::outcomes::outcome_line;
use crate::host::Host;
use crate::provisioning::Invocation;
use crate::registry::record::{
    EmailAddress, Membership, Meta, Name, Person, Record, RecordKind, Role, Status, SubjectKey,
};
use crate::registry::write::{WriteError, WriteOptions, Written};

/// Something that happened, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    pub(super) subject: SubjectKey,
    pub(super) name: String,
    /// "family name changed".
    pub(super) what: String,
    /// In the order of the targets.
    pub(super) outcomes: Vec<TargetOutcome>,
    #[serde(skip)]
    pub(super) invocations: Vec<Uuid>,
}

/// How one target took it.
#[derive(Debug, Serialize)]
pub(super) struct TargetOutcome {
    pub(super) target: String,
    pub(super) outcome: String,
}

/// What happened, and to whom something was done to fail.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) events: Vec<Event>,
    /// `id` of the person that the receiver had no time for.
    pub(super) busy: Option<String>,
    /// `id` of the person that was sent to the targets which cannot work.
    pub(super) requested: Option<String>,
}

struct Script<'a> {
    host: &'a Host,
    /// People in force with an identifier of the type, as many different ones as there are.
    cast: std::vec::IntoIter<Member>,
    events: Vec<Event>,
}

/// People that the script needs.
const CAST: usize = 10;

/// Plays the script with as many of the people as there are.
pub(super) async fn play(
    host: &Host,
    receiver: &Receiver,
    members: &[Member],
    identifier_type: &str,
) -> anyhow::Result<Story> {
    let able: Vec<&Member> = members
        .iter()
        .filter(|member| {
            member.person.status == Status::Active && member.identifier(identifier_type).is_some()
        })
        .collect();
    // Far from each other, so that they differ.
    let step = (able.len() / CAST).max(1);
    let cast: Vec<Member> = able.into_iter().step_by(step).take(CAST).cloned().collect();
    let mut script = Script { host, cast: cast.into_iter(), events: Vec::new() };
    script.changes().await?;
    script.removals().await?;
    let busy = script.busy_receiver(receiver, identifier_type).await?;
    let requested = script.targets_that_cannot_work().await?;
    Ok(Story { events: script.events, busy, requested })
}

fn options() -> WriteOptions {
    WriteOptions::by("demo")
}

impl Script<'_> {
    async fn changes(&mut self) -> anyhow::Result<()> {
        self.change("family name changed", |person| {
            if let Some(name) = person.names.iter_mut().find(|name| name.primary) {
                name.family = Some("Ní Nuadháin".to_owned());
            }
        })
        .await?;
        self.change("second name and mail address added", |person| {
            person.names.push(Name {
                given: Some("Alex".to_owned()),
                name_type: "preferred".to_owned(),
                ..Name::default()
            });
            person.email_addresses.push(EmailAddress {
                mail: "alex+new@example.net".to_owned(),
                email_type: "delivery".to_owned(),
                ..EmailAddress::default()
            });
        })
        .await?;
        self.change("role added", |person| {
            person.roles.push(Role {
                affiliation: Some("staff".to_owned()),
                title: Some("Observatory keeper".to_owned()),
                ..Role::default()
            });
        })
        .await?;
        self.change("expired", |person| person.status = Status::Expired).await?;
        self.change("declined, so no longer to be provisioned", |person| person.status = Status::Declined)
            .await?;
        self.join_and_leave().await
    }

    /// Changes the next person of the cast.
    async fn change(
        &mut self,
        what: &str,
        change: impl FnOnce(&mut Person) + Send + 'static,
    ) -> anyhow::Result<()> {
        let Some(member) = self.cast.next() else { return Ok(()) };
        let written = self.update(&member, change).await?;
        self.happened(&member, what, written).await
    }

    async fn update(
        &self,
        member: &Member,
        change: impl FnOnce(&mut Person) + Send + 'static,
    ) -> Result<Written, WriteError> {
        let changed = |mut record: Record| {
            if let Record::Person(person) = &mut record {
                change(person);
            }
            Ok(record)
        };
        self.host.registry.update(CO, person_key(member.id()), changed, &options()).await
    }

    async fn join_and_leave(&mut self) -> anyhow::Result<()> {
        let groups = people::groups(&self.host.store).await?;
        if let Some(member) = self.cast.next()
            && let Some(group) = groups.iter().find(|group| !is_in(&member, &group.meta.id))
        {
            let membership = membership(&group.meta.id, member.id());
            let written = self.host.registry.put_membership(CO, membership, &options()).await?;
            self.happened(&member, &format!("joined {}", group.name), written).await?;
        }
        if let Some(member) = self.cast.next()
            && let Some(first) = member.memberships.first()
        {
            let (group, registry) = (&first.group, &self.host.registry);
            let written = registry.delete_membership(CO, &group.meta.id, member.id(), &options()).await?;
            self.happened(&member, &format!("left {}", group.name), written).await?;
        }
        Ok(())
    }

    /// Removes two people; one of them comes back as it was.
    async fn removals(&mut self) -> anyhow::Result<()> {
        let registry = &self.host.registry;
        if let Some(member) = self.cast.next() {
            let written = registry.delete(CO, &person_key(member.id()), &options()).await?;
            self.happened(&member, "removed", written).await?;
        }
        if let Some(member) = self.cast.next() {
            let key = person_key(member.id());
            let written = registry.delete(CO, &key, &options()).await?;
            self.happened(&member, "removed", written).await?;
            let record = Record::Person(Box::new(member.person.clone()));
            let written = registry.put(CO, key, record, &options()).await?;
            self.happened(&member, "added again", written).await?;
            if let Some(of_before) = member.memberships.first() {
                let membership = membership(&of_before.group.meta.id, member.id());
                let written = registry.put_membership(CO, membership, &options()).await?;
                self.happened(&member, &format!("joined {} again", of_before.group.name), written).await?;
            }
        }
        Ok(())
    }

    /// Changes a person for whom the receiver has no time.
    async fn busy_receiver(
        &mut self,
        receiver: &Receiver,
        identifier_type: &str,
    ) -> anyhow::Result<Option<String>> {
        let Some(member) = self.cast.next() else { return Ok(None) };
        receiver.be_busy_for(member.identifier(identifier_type).unwrap_or_default());
        let moved = |person: &mut Person| person.timezone = Some("Pacific/Auckland".to_owned());
        let written = self.update(&member, moved).await?;
        self.happened(&member, "moved, while the receiver is busy", written).await?;
        Ok(Some(member.id().to_owned()))
    }

    /// Asks for a person at the targets that are configured so that they must fail.
    async fn targets_that_cannot_work(&mut self) -> anyhow::Result<Option<String>> {
        // The first of the cast is still there, and any other would do as well.
        let Some(event) = self.events.first() else { return Ok(None) };
        let (subject, name) = (event.subject.clone(), event.name.clone());
        for target in [STARVED, ASTRAY] {
            let invocation = self.host.pipeline.provision(CO, target, &subject).await?;
            self.events.push(Event {
                subject: subject.clone(),
                name: name.clone(),
                what: format!("asked for at {target}"),
                invocations: vec![invocation.id],
                outcomes: vec![TargetOutcome::of(&invocation)],
            });
        }
        Ok(Some(subject.id))
    }

    /// Provisions what was written, waits for the outcome, and notes both.
    async fn happened(&mut self, member: &Member, what: &str, written: Written) -> anyhow::Result<()> {
        let pipeline = &self.host.pipeline;
        pipeline.submit(CO, &written.planned);
        let ids: Vec<Uuid> = written.planned.iter().map(|planned| planned.id).collect();
        let invocations = pipeline.outcomes(CO, &ids).await?;
        self.events.push(Event {
            subject: person_key(member.id()),
            name: member.name(),
            what: what.to_owned(),
            outcomes: invocations.iter().map(TargetOutcome::of).collect(),
            invocations: ids,
        });
        Ok(())
    }
}

impl TargetOutcome {
    fn of(invocation: &Invocation) -> Self {
        Self { target: invocation.target.clone(), outcome: outcome_line(invocation.outcome.as_ref()) }
    }
}

fn person_key(id: &str) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: id.to_owned() }
}

fn is_in(member: &Member, group: &str) -> bool {
    member.memberships.iter().any(|membership| membership.group.meta.id == group)
}

fn membership(group: &str, person: &str) -> Membership {
    Membership {
        meta: Meta::default(),
        group: group.to_owned(),
        person: person.to_owned(),
        member: true,
        owner: false,
        valid_from: None,
        valid_through: None,
        nested_from: None,
    }
}
