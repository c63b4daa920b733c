//! Records with every field filled, for tests.

use jiff::Timestamp;
use jiff::civil::date;
use serde_json::json;

use super::record::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn meta(id: &str) -> Meta {
    Meta { id: id.to_owned(), created: at(1), modified: at(2), revision: 3, source: Some("hr".to_owned()) }
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn extensions() -> Vec<Extension> {
    vec![Extension {
        name: "example.org/badge".to_owned(),
        value: json!({"colours": ["red", "blue"], "level": 3}),
    }]
}

pub(crate) fn name(id: &str, primary: bool) -> Name {
    Name {
        meta: meta(id),
        honorific: text("Dr"),
        given: text("Zoë"),
        middle: text("Q."),
        family: text("Å."),
        suffix: text("III"),
        name_type: "official".to_owned(),
        language: text("en"),
        primary,
    }
}

pub(crate) fn email_address() -> EmailAddress {
    EmailAddress {
        meta: meta("e1"),
        mail: "zoe@example.org".to_owned(),
        description: text("office"),
        email_type: "official".to_owned(),
        verified: true,
    }
}

pub(crate) fn identifier(id: &str) -> Identifier {
    Identifier {
        meta: meta(id),
        identifier: "zoe".to_owned(),
        identifier_type: "uid".to_owned(),
        login: true,
        status: Status::Suspended,
        language: text("en"),
        provisioning_target: text("directory"),
    }
}

fn url() -> Url {
    Url {
        meta: meta("u1"),
        url: "https://example.org/~zoe".to_owned(),
        description: text("home page"),
        url_type: "personal".to_owned(),
        language: text("pt-BR"),
    }
}

fn address() -> Address {
    Address {
        meta: meta("a1"),
        street: text("1 Main Street\nBackyard"),
        room: text("12"),
        locality: text("Springfield"),
        state: text("Somewhere"),
        postal_code: text("12345"),
        country: text("XX"),
        description: text("entrance at the back"),
        address_type: "office".to_owned(),
        language: text("en"),
    }
}

fn telephone_number() -> TelephoneNumber {
    TelephoneNumber {
        meta: meta("t1"),
        country_code: text("1"),
        area_code: text("555"),
        number: "0100".to_owned(),
        extension: text("7"),
        description: text("mornings"),
        telephone_type: "office".to_owned(),
    }
}

fn ad_hoc_attribute() -> AdHocAttribute {
    AdHocAttribute { meta: meta("h1"), tag: "desk".to_owned(), value: "7b".to_owned() }
}

pub(crate) fn role(id: &str) -> Role {
    Role {
        meta: meta(id),
        cou: text("physics"),
        affiliation: text("faculty"),
        title: text("Reader"),
        organization: text("Example University"),
        department: text("Physics"),
        sponsor: text("p2"),
        manager: text("p3"),
        valid_from: Some(at(10)),
        valid_through: Some(at(20)),
        rank: Some(-1),
        status: Status::GracePeriod,
        addresses: vec![address()],
        telephone_numbers: vec![telephone_number()],
        ad_hoc_attributes: vec![ad_hoc_attribute()],
        extensions: extensions(),
    }
}

pub(crate) fn org_identity() -> OrgIdentity {
    OrgIdentity {
        meta: meta("o1"),
        status: Status::Approved,
        identity_source: text("hr"),
        source_key: text("4711"),
        affiliation: text("staff"),
        title: text("Reader"),
        organization: text("Example University"),
        department: text("Physics"),
        manager_identifier: text("m"),
        sponsor_identifier: text("s"),
        date_of_birth: Some(date(1990, 12, 24)),
        valid_from: Some(at(10)),
        valid_through: Some(at(20)),
        names: vec![name("on1", false)],
        email_addresses: vec![email_address()],
        identifiers: vec![identifier("oi1")],
        urls: vec![url()],
        addresses: vec![address()],
        telephone_numbers: vec![telephone_number()],
        ad_hoc_attributes: vec![ad_hoc_attribute()],
        extensions: extensions(),
    }
}

fn authenticator(id: &str, credential: Credential) -> Authenticator {
    Authenticator {
        meta: meta(id),
        authenticator: "login nodes".to_owned(),
        status: Status::Suspended,
        locked: true,
        credential,
    }
}

pub(crate) fn authenticators() -> Vec<Authenticator> {
    let ssh_key = Credential::SshKey {
        key_type: "ssh-ed25519".to_owned(),
        key: "AAAA".to_owned(),
        comment: text("laptop"),
        options: text("no-pty"),
    };
    let password = Credential::Password { scheme: "crypt".to_owned(), hash: "$6$x".to_owned() };
    let certificate = Credential::Certificate {
        subject_dn: "CN=Zoe".to_owned(),
        issuer_dn: text("CN=CA"),
        description: text("card"),
        valid_from: Some(at(10)),
        valid_through: Some(at(20)),
    };
    let other = Credential::Other { name: "totp".to_owned(), value: json!({"serial": "1"}) };
    vec![
        authenticator("k1", ssh_key),
        authenticator("k2", password),
        authenticator("k3", certificate),
        authenticator("k4", other),
    ]
}

pub(crate) fn cluster_account() -> ClusterAccount {
    ClusterAccount {
        meta: meta("c1"),
        cluster: "hpc".to_owned(),
        status: Status::GracePeriod,
        username: "zoe".to_owned(),
        uid_number: Some(1000),
        gid_number: Some(100),
        primary_group: text("g1"),
        gecos: text("Zoe"),
        login_shell: text("/bin/sh"),
        home_directory: text("/home/zoe"),
        valid_from: Some(at(10)),
        valid_through: Some(at(20)),
        extensions: extensions(),
    }
}

pub(crate) fn person() -> Person {
    Person {
        meta: meta("p1"),
        status: Status::GracePeriod,
        date_of_birth: Some(date(1990, 12, 24)),
        timezone: text("Europe/Budapest"),
        names: vec![name("n1", true), name("n2", false)],
        email_addresses: vec![email_address()],
        identifiers: vec![identifier("i1")],
        urls: vec![url()],
        roles: vec![role("r1")],
        org_identities: vec![org_identity()],
        agreements: vec![Agreement {
            meta: meta("g1"),
            terms: "terms-of-use".to_owned(),
            url: text("https://example.org/terms"),
            agreed: at(5),
            identifier: text("zoe"),
        }],
        authenticators: authenticators(),
        cluster_accounts: vec![cluster_account()],
        extensions: extensions(),
    }
}

pub(crate) fn group() -> Group {
    Group {
        meta: meta("g1"),
        name: "Physicists".to_owned(),
        description: text("all of them"),
        introduction: text("welcome"),
        status: Status::Suspended,
        group_type: GroupType::AllMembers,
        open: true,
        nesting_mode: NestingMode::All,
        cou: text("physics"),
        identifiers: vec![identifier("i1")],
        extensions: extensions(),
    }
}

pub(crate) fn email_list() -> EmailList {
    EmailList {
        meta: meta("l1"),
        name: "physicists".to_owned(),
        description: text("news"),
        status: Status::Suspended,
        admins_group: text("g1"),
        members_group: text("g2"),
        moderators_group: text("g3"),
        identifiers: vec![identifier("i1")],
        extensions: extensions(),
    }
}

pub(crate) fn service() -> Service {
    Service {
        meta: meta("s1"),
        name: "Wiki".to_owned(),
        description: text("pages"),
        status: Status::Suspended,
        short_label: text("wiki"),
        cou: text("physics"),
        group: text("g1"),
        service_url: text("https://wiki.example.org"),
        service_label: text("Go"),
        contact_email: text("help@example.org"),
        logo_url: text("https://wiki.example.org/logo.png"),
        entitlement_uri: text("urn:example:wiki"),
        visibility: ServiceVisibility::CoGroupMembers,
        identifier_type: text("uid"),
        authenticator: text("password"),
        cluster: text("hpc"),
        extensions: extensions(),
    }
}

pub(crate) fn department() -> Department {
    Department {
        meta: meta("d1"),
        name: "Department of Physics".to_owned(),
        department_type: "division".to_owned(),
        description: text("matter"),
        introduction: text("welcome"),
        cou: text("physics"),
        leadership_group: text("g1"),
        administrative_group: text("g2"),
        support_group: text("g3"),
        email_addresses: vec![email_address()],
        identifiers: vec![identifier("i1")],
        urls: vec![url()],
        addresses: vec![address()],
        telephone_numbers: vec![telephone_number()],
        ad_hoc_attributes: vec![ad_hoc_attribute()],
        extensions: extensions(),
    }
}

pub(crate) fn membership() -> Membership {
    Membership {
        meta: meta("m1"),
        group: "g1".to_owned(),
        person: "p1".to_owned(),
        member: false,
        owner: true,
        valid_from: Some(at(10)),
        valid_through: Some(at(20)),
        nested_from: text("g2"),
    }
}

pub(crate) fn collaboration() -> Collaboration {
    let cou = |id: &str, parent: Option<&str>| Cou {
        id: id.to_owned(),
        name: id.to_uppercase(),
        parent: parent.map(str::to_owned),
    };
    Collaboration {
        id: "co1".to_owned(),
        name: "Example".to_owned(),
        description: text("an example"),
        cous: vec![cou("science", None), cou("physics", Some("science"))],
        affiliations: vec![Affiliation {
            affiliation: "fellow".to_owned(),
            edu_person_affiliation: text("member"),
        }],
        automatic_groups: true,
        status_recalculation: true,
        org_identity_sources: vec![OrgIdentitySource {
            id: "hr".to_owned(),
            description: "Payroll".to_owned(),
        }],
        terms_and_conditions: vec![TermsAndConditions {
            id: "use".to_owned(),
            description: "Terms of use".to_owned(),
            url: text("https://example.org/terms"),
            cou: text("physics"),
        }],
    }
}

/// One of each kind, with every field filled.
pub(crate) fn records() -> Vec<Record> {
    vec![
        Record::Person(Box::new(person())),
        Record::Group(Box::new(group())),
        Record::EmailList(Box::new(email_list())),
        Record::Service(Box::new(service())),
        Record::Department(Box::new(department())),
    ]
}
