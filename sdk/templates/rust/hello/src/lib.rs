//! Counts its ticks. What a module exports says how it is driven: `timer!` names the function that is called once per
//! `timer` in hypha.toml.
#![no_std]

extern crate alloc;

use alloc::format;
use core::sync::atomic::{AtomicU32, Ordering};
use hypha_guest::host::log::{self, Level};
use hypha_guest::host::telemetry;

static TICKS: AtomicU32 = AtomicU32::new(0);

fn tick(now_ms: u64) {
    let ticks = TICKS.fetch_add(1, Ordering::Relaxed) + 1;
    // A sample that is throttled is no reason to stop counting.
    let _ = telemetry::emit("ticks", ticks.into());
    if ticks == 1 {
        log::write(Level::Info, &format!("hello: the first tick is at {now_ms}"));
    }
}

hypha_guest::timer!(tick);
