//! Attacks that are the binary itself: what it holds, asks for, or does before any export is called.

use std::fmt::Write;

use provender_tests::calls::{load, nothing_granted, plugin_host};
use provender_tests::guests::{MISBEHAVING, described, patched};
use provender_tests::host::TestHost;

use crate::{Told, assert_served, ending};

/// A provisioner in the text format: `outside` stands in the component, `core` in its core module, whose functions all
/// exports are made of. Their types are not those of the contract, so the best that can become of it is to be refused
/// for them.
fn provisioner(outside: &str, with: &str, core: &str) -> Vec<u8> {
    parsed(&format!(
        r#"(component
            {outside}
            (core module $m {core} (func (export "nothing")))
            (core instance $i (instantiate $m {with}))
            (func $f (canon lift (core func $i "nothing")))
            (instance $plugin (export "describe" (func $f)) (export "check" (func $f)))
            (instance $provisioning
                (export "prepare" (func $f)) (export "provision" (func $f)) (export "inspect" (func $f)))
            (export "provender:plugin/plugin@0.1.0" (instance $plugin))
            (export "provender:plugin/provisioning@0.1.0" (instance $provisioning)))"#
    ))
}

fn parsed(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What becomes of a component: refused when it is loaded, or ended in its first call.
async fn fate(component: &[u8]) -> String {
    match load(component).await {
        Err(refused) => refused.to_string(),
        Ok(plugin) => ending(&plugin_host().describe(&plugin, nothing_granted()).await.result),
    }
}

async fn told(attacks: &[(&str, Vec<u8>)]) -> String {
    let mut told = Told::default();
    for (attack, component) in attacks {
        let fate = fate(component).await;
        assert!(fate.len() < 3_000, "{attack}: {} bytes", fate.len());
        assert!(!fate.contains("no fault"), "{attack}: {fate}");
        told.add_exactly(attack, &fate);
    }
    assert_served().await;
    told.0
}

/// As [`provisioner`], of a core module alone.
fn core(core: &str) -> Vec<u8> {
    provisioner("", "", core)
}

/// A provisioner whose start function is this.
fn starting(body: &str) -> Vec<u8> {
    core(&format!("(memory 1) (table 1 funcref) (type $t (func)) (func $s {body}) (start $s)"))
}

#[tokio::test]
async fn what_runs_before_any_export_is_within_the_limits_too() {
    let attacks = [
        ("a start without end", starting("(loop br 0)")),
        ("a start that recurses", core("(func $s call $s call $s) (start $s)")),
        ("unreachable", starting("unreachable")),
        ("division by zero", starting("(drop (i32.div_u (i32.const 1) (i32.const 0)))")),
        ("overflow", starting("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))")),
        ("no number", starting("(drop (i32.trunc_f32_s (f32.const nan)))")),
        ("a call of nothing", starting("(call_indirect (type $t) (i32.const 0))")),
        ("a call beyond the table", starting("(call_indirect (type $t) (i32.const 7))")),
        ("a read beyond the memory", starting("(drop (i32.load (i32.const 0x10000)))")),
        ("a fill beyond the memory", starting("(memory.fill (i32.const 1) (i32.const 0) (i32.const -1))")),
        ("memory at once", starting("(drop (memory.grow (i32.const 65535)))")),
        ("memory in steps", starting("(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))")),
        (
            "a table in steps",
            starting("(loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 64)) (i32.const -1))))"),
        ),
        ("a table at once", starting("(drop (table.grow (ref.null func) (i32.const -2)))")),
        ("data beyond the memory", core(r#"(memory 1) (data (i32.const 65530) "0123456789")"#)),
    ];
    insta::assert_snapshot!("binaries_that_start", told(&attacks).await);
}

#[tokio::test]
async fn what_a_binary_asks_for_is_within_the_limits_too() {
    let instances = |count: usize, core: &str| {
        let mut more = format!("(core module $more {core})");
        (0..count).for_each(|_| write!(more, "(core instance (instantiate $more))").unwrap());
        provisioner(&more, "", "")
    };
    let attacks = [
        ("4 GiB of memory", core("(memory 65536)")),
        ("200 MiB of memory", core("(memory 3200)")),
        ("a large table", core("(table 10000000 funcref)")),
        ("a table beyond the limit", core("(table 40001 funcref)")),
        ("200 instances", instances(200, "")),
        ("1000 instances with a memory each", instances(1_000, "(memory 1)")),
        ("50 instances with 4 MiB each", instances(50, "(memory 64)")),
        ("50 instances with a table each", instances(50, "(table 39999 funcref)")),
    ];
    insta::assert_snapshot!("binaries_that_ask", told(&attacks).await);
}

#[tokio::test]
async fn proposals_that_no_plugin_needs_are_refused() {
    let attacks = [
        ("shared memory", core("(memory 1 2 shared)")),
        (
            "a shared memory of its own making, imported",
            provisioner(
                r#"(core module $a (memory (export "m") 1 2 shared)) (core instance $a (instantiate $a))"#,
                r#"(with "a" (instance $a))"#,
                r#"(import "a" "m" (memory 1 2 shared))"#,
            ),
        ),
        (
            "atomic operations",
            core("(memory 1) (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))"),
        ),
        ("64-bit memory", core("(memory i64 1)")),
        ("64-bit tables", core("(table i64 1 funcref)")),
        ("several memories", core("(memory 1) (memory 1)")),
        ("structures", core("(type (struct (field i32)))")),
        ("typed references", core("(type $t (func)) (func (param (ref $t)))")),
        ("exceptions", core("(tag $t) (func (throw $t))")),
        ("wide arithmetic", core("(func (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 1)))))")),
        ("pages of another size", core("(memory 1 (pagesize 1))")),
        ("an export that is asynchronous", parsed(r#"(component (type (func async)) )"#)),
        ("a stream", parsed("(component (type (stream u8)))")),
    ];
    insta::assert_snapshot!("binaries_of_proposals", told(&attacks).await);
}

/// Numbers that are none have the same bits on every processor, and so has arithmetic that may be relaxed: the start
/// function traps otherwise, and the component is not refused for its types alone.
#[tokio::test]
async fn results_do_not_depend_on_the_processor() {
    let number = starting(
        "(if (i32.ne (i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (i32.const 0xffa00001)) (f32.const 1)))
            (i32.const 0x7fc00000)) (then unreachable))",
    );
    let relaxed = starting(
        "(if (i32.ne (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 nan 0 0 0)))
            (i32.const 0)) (then unreachable))",
    );
    for component in [number, relaxed] {
        let fate = fate(&component).await;
        assert!(fate.starts_with("does not fit the contract"), "{fate}");
    }
}

#[tokio::test]
async fn what_is_imported_and_not_offered_is_told_in_a_bounded_text() {
    let mut many = String::new();
    (0..900).for_each(|number| {
        write!(many, r#"(import "test:attack/{}{number}@1.0.0" (instance))"#, "x".repeat(200)).unwrap()
    });
    let mut exports = String::from("(instance $e)");
    (0..900).for_each(|number| write!(exports, r#"(export "a:b/e{number}" (instance $e))"#).unwrap());
    let import =
        |name: &str, items: &str| provisioner(&format!(r#"(import "{name}" (instance {items}))"#), "", "");
    let attacks = [
        ("900 imports", provisioner(&many, "", "")),
        ("900 exports", parsed(&format!("(component {exports})"))),
        ("both worlds", {
            let both = format!(
                r#"(component (instance $e) {})"#,
                ["plugin", "provisioning", "filtering"]
                    .map(|name| format!(r#"(export "provender:plugin/{name}@0.1.0" (instance $e))"#))
                    .concat()
            );
            parsed(&both)
        }),
        ("exports that are empty", {
            let empty = ["plugin", "provisioning"]
                .map(|name| format!(r#"(export "provender:plugin/{name}@0.1.0" (instance $e))"#));
            parsed(&format!("(component (instance $e) {})", empty.concat()))
        }),
        ("exports of other types", core("")),
        ("a long version", {
            let version = format!("1.{}.0", "9".repeat(15));
            parsed(&format!(
                r#"(component (instance $e) (export "provender:plugin/provisioning@{version}-{}" (instance $e)))"#,
                "x".repeat(5_000)
            ))
        }),
        ("exit with a code", {
            let outside = r#"(import "wasi:cli/exit@0.2.12" (instance $exit
                    (export "exit-with-code" (func (param "status-code" u8)))))
                (core func $exit (canon lower (func $exit "exit-with-code")))
                (core instance $host (export "exit" (func $exit)))"#;
            let core = r#"(import "host" "exit" (func $exit (param i32)))
                (func $s (call $exit (i32.const 7))) (start $s)"#;
            provisioner(outside, r#"(with "host" (instance $host))"#, core)
        }),
        ("threads of wasi", import("wasi:thread-spawn/thread-spawn@0.2.0", "")),
        ("a newer wasi", import("wasi:random/random@0.3.0", "")),
        (
            "another function",
            import("wasi:random/random@0.2.12", r#"(export "get-fair-dice" (func (result u8)))"#),
        ),
        (
            "another type",
            import("wasi:random/random@0.2.12", r#"(export "get-random-u64" (func (result u8)))"#),
        ),
        ("a function of the world", provisioner(r#"(import "give-me" (func))"#, "", "")),
        ("a core module", provisioner(r#"(import "give-me" (core module))"#, "", "")),
        ("a component", provisioner(r#"(import "give-me" (component))"#, "", "")),
        ("a url", provisioner(r#"(import "url=<http://127.0.0.1/x>" (component))"#, "", "")),
    ];
    insta::assert_snapshot!("binaries_that_import", told(&attacks).await);
}

#[tokio::test]
async fn a_structure_without_measure_is_refused() {
    let list = |depth: usize| {
        let types = (0..depth).map(|number| match number {
            0 => "(type $t0 (list u8))".to_owned(),
            number => format!("(type $t{number} (list $t{}))", number - 1),
        });
        parsed(&format!("(component {})", types.collect::<String>()))
    };
    let wide = |depth: usize| {
        let types = (0..depth).map(|number| match number {
            0 => "(type $t0 (tuple u8 u8))".to_owned(),
            number => format!("(type $t{number} (tuple {}))", format!("$t{} ", number - 1).repeat(10)),
        });
        parsed(&format!("(component {})", types.collect::<String>()))
    };
    let types = (0..200_000).map(|_| "(type u8)").collect::<String>();
    let functions = (0..100_000).map(|_| "(func)").collect::<String>();
    let locals = format!("(func (local {}))", "i64 ".repeat(60_000));
    let attacks = [
        ("components 50 deep", nested(50)),
        ("components 2000 deep", nested(2_000)),
        ("components 20000 deep", nested(20_000)),
        ("lists 90 deep", list(90)),
        ("lists 10000 deep", list(10_000)),
        ("tuples of tuples of tuples", wide(12)),
        ("200000 types", parsed(&format!("(component {types})"))),
        ("100000 functions", core(&functions)),
        ("60000 locals", core(&locals)),
        ("a length that lies", [HEADER, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()),
        ("a section that is none", [HEADER, &[0x7f, 0]].concat()),
    ];
    insta::assert_snapshot!("binaries_without_measure", told(&attacks).await);
}

#[tokio::test]
async fn a_text_of_half_surrogates_is_refused_in_any_encoding() {
    let log = |encoding: &str, data: &str, units: u32| {
        let outside = format!(
            r#"(import "provender:plugin/log@0.1.0" (instance $log
                (type $level (enum "debug" "info" "warning" "error"))
                (export "level" (type $exported-level (eq $level)))
                (type $field (record (field "name" string) (field "value" string)))
                (export "field" (type $exported-field (eq $field)))
                (export "write" (func (param "level" $exported-level) (param "message" string)
                    (param "fields" (list $exported-field))))))
            (core module $memory (memory (export "memory") 1) (data (i32.const 0) "{data}"))
            (core instance $memory (instantiate $memory))
            (core func $write (canon lower (func $log "write") (memory (core memory $memory "memory")) string-encoding={encoding}))
            (core instance $host (export "write" (func $write)))"#
        );
        let core = format!(
            r#"(import "host" "write" (func $write (param i32 i32 i32 i32 i32)))
            (func $s (call $write (i32.const 0) (i32.const 0) (i32.const {units}) (i32.const 0) (i32.const 0)))
            (start $s)"#
        );
        provisioner(&outside, r#"(with "host" (instance $host))"#, &core)
    };
    let attacks = [
        ("a lone surrogate in UTF-16", log("utf16", "a\\00\\00\\d8b\\00", 3)),
        ("a pair of surrogates in the wrong order", log("utf16", "\\00\\dc\\00\\d8", 2)),
        ("half a unit beyond the memory", log("utf16", "", 0x8000_0000)),
        ("compact UTF-16 with a lone surrogate", log("latin1+utf16", "\\00\\d8", 0x8000_0001)),
        ("UTF-8 that is none", log("utf8", "\\ff\\fe", 2)),
        ("a text as it should be", log("utf16", "o\\00k\\00", 2)),
    ];
    insta::assert_snapshot!("binaries_of_surrogates", told(&attacks).await);
}

#[tokio::test]
async fn a_contract_older_or_newer_than_the_host_serves_is_refused_by_its_version() {
    let versioned = |version: &str| patched(&described("ordinary"), "@0.1.0", version);
    let attacks = [
        ("older", versioned("@0.0.9")),
        ("newer", versioned("@0.2.0")),
        ("much newer", versioned("@1.0.0")),
        ("a newer type", patched(&described("ordinary"), "target-description", "target-descriptiom")),
        ("a newer function", patched(&described("ordinary"), "operations", "operationz")),
    ];
    insta::assert_snapshot!("binaries_of_versions", told(&attacks).await);
    // The track is the same, and nothing newer is used.
    assert!(load(&versioned("@0.1.9")).await.is_ok());
}

#[tokio::test]
async fn a_component_of_forty_megabytes_is_installed_and_runs() {
    let host = TestHost::start().await;
    let large = padded(MISBEHAVING, 40_000_000);
    let manifest = host.install(&large).await;
    assert_eq!((manifest.name.as_str(), manifest.size_bytes), ("misbehaving", large.len() as u64));
    host.host.catalog.load(&manifest.digest).await.unwrap();
    let larger = padded(MISBEHAVING, 70_000_000);
    let refused = host.host.catalog.install("large.wasm", larger).await.unwrap_err().to_string();
    let mut told = Told::default();
    told.add("70 MB", &refused);
    insta::assert_snapshot!("binaries_that_are_large", told.0);
}

const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component within a component, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let mut size = HEADER.len();
    let mut openings = Vec::new();
    for _ in 0..depth {
        let opening = [HEADER, &[4], &length(size)].concat();
        size += opening.len();
        openings.push(opening);
    }
    openings.reverse();
    [openings.concat(), HEADER.to_vec()].concat()
}

/// A component with a custom section of zeroes.
fn padded(component: &[u8], size: usize) -> Vec<u8> {
    let padding = size - component.len();
    [component, &[0], &length(padding + 4), b"\x03pad", &vec![0; padding]].concat()
}

/// A number as LEB128.
fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
