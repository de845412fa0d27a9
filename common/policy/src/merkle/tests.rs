use proptest::prelude::*;

use super::*;

/// The definition of RFC 6962, word for word.
fn naive(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
        }
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// The roots that Certificate Transparency's reference code gives for its eight test inputs.
#[test]
fn roots_are_those_of_the_reference() {
    let inputs: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let leaves: Vec<Hash> = inputs.iter().map(|input| leaf_hash(input)).collect();
    for (size, wanted) in [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ] {
        assert_eq!(hex::encode(root(&leaves[..size])), wanted, "{size} leaves");
    }
}

#[test]
fn every_proof_of_every_small_tree_holds() {
    let all = leaves(33);
    for size in 1..=all.len() {
        let (part, top) = (&all[..size], naive(&all[..size]));
        for index in 0..size {
            let proof = inclusion_proof(part, index).unwrap();
            assert!(verify_inclusion(&part[index], index as u64, size as u64, &proof, &top), "{index} in {size}");
        }
        for old in 1..=size {
            let proof = consistency_proof(part, old).unwrap();
            let old_root = naive(&all[..old]);
            assert!(verify_consistency(old as u64, &old_root, size as u64, &top, &proof), "{old} in {size}");
        }
    }
    assert!(inclusion_proof(&all, 33).is_none() && consistency_proof(&all, 0).is_none());
}

proptest! {
    #[test]
    fn the_growing_tree_is_the_definition(count in 0usize..300) {
        let leaves = leaves(count);
        prop_assert_eq!(root(&leaves), naive(&leaves));
        prop_assert_eq!(leaves.iter().copied().collect::<Tree>().len(), count as u64);
    }

    #[test]
    fn no_other_leaf_place_or_size_is_proved(count in 2usize..200, a in 0usize..200, b in 0usize..200, bit in 0usize..256) {
        let leaves = leaves(count);
        let (a, b) = (a % count, b % count);
        let (top, size) = (root(&leaves), count as u64);
        let proof = inclusion_proof(&leaves, a).unwrap();
        if a != b {
            prop_assert!(!verify_inclusion(&leaves[b], a as u64, size, &proof, &top));
            prop_assert!(!verify_inclusion(&leaves[a], b as u64, size, &proof, &top));
        }
        let mut longer = proof.clone();
        longer.push([0; 32]);
        prop_assert!(!verify_inclusion(&leaves[a], a as u64, size, &longer, &top));
        let mut changed = proof;
        let at = bit / 8 % changed.len();
        changed[at][bit % 32] ^= 1 << (bit % 8);
        prop_assert!(!verify_inclusion(&leaves[a], a as u64, size, &changed, &top));
    }

    #[test]
    fn a_rewritten_beginning_is_inconsistent(count in 2usize..200, old in 1usize..200, at in 0usize..200) {
        let before = leaves(count);
        let old = old % (count - 1) + 1;
        let mut after = before.clone();
        after[at % old] = leaf_hash(b"rewritten");
        let proof = consistency_proof(&after, old).unwrap();
        let (old_root, new_root) = (root(&before[..old]), root(&after));
        prop_assert!(!verify_consistency(old as u64, &old_root, count as u64, &new_root, &proof));
    }
}
