//! A call's policy, as a host can write it into the group: what is read is written back as it was, and is one that a host can choose.

use subrosa::fuzzing;

use crate::Target;

/// Layout: the policy.
pub const TARGET: Target = Target { name: "policy", run: fuzzing::policy, seeds };

fn seeds() -> Vec<(String, Vec<u8>)> {
    let with = |suite: u16, flags: [u8; 2], hosts: &[u8]| {
        let numbers = [1_000_u32, 1_000, 10_000, 5_000, 10_000, 30_000, 30_000, 120_000];
        let mut policy = vec![1];
        policy.extend(suite.to_be_bytes());
        policy.push(4);
        policy.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        policy.extend(flags);
        // A list of hosts is as long as its bytes, said in one or two (RFC 9420 §2.1.2).
        let len = hosts.len() * 33;
        policy.extend(if len < 64 { vec![len as u8] } else { (0x4000 | len as u16).to_be_bytes().to_vec() });
        policy.extend(hosts.iter().flat_map(|host| [vec![*host; 32], vec![host % 2]].concat()));
        policy.extend([0, 0, 0, 7]);
        policy.extend([[8; 32], [9; 32]].concat());
        policy
    };
    vec![
        ("one-host".to_owned(), with(4, [0, 0], &[1])),
        ("hosts".to_owned(), with(5, [1, 1], &[1, 2, 3])),
        ("host-twice".to_owned(), with(4, [0, 0], &[1, 1])),
        ("no-host".to_owned(), with(4, [0, 0], &[])),
        ("short-tags".to_owned(), with(1, [0, 0], &[1])),
        ("unknown-suite".to_owned(), with(77, [0, 0], &[1])),
        ("flags".to_owned(), with(4, [2, 0], &[1])),
    ]
}
