rule coin_miner_program
{
    meta:
        title = "A coin miner"
        description = "A program that speaks the miners' protocol to a pool and names a miner's own options"
        severity = "high"
        techniques = "T1496.001"
        tactics = "impact"
        response = "kill_tree, quarantine_file"
    strings:
        $pool1 = "stratum+tcp://"
        $pool2 = "stratum+ssl://"
        $job1 = "\"method\":\"login\""
        $job2 = "mining.subscribe"
        $job3 = "mining.authorize"
        $option1 = "--donate-level"
        $option2 = "--randomx-"
        $option3 = "--cpu-max-threads-hint"
        $option4 = "--nicehash"
        $algorithm1 = "cryptonight"
        $algorithm2 = "rx/0"
        $algorithm3 = "randomx" nocase
    condition:
        // In memory nothing has a size or a beginning.
        (uint32(0) == 0x464c457f or not defined filesize) and any of ($pool*) and any of ($algorithm*) and (2 of ($option*) or (any of ($job*) and any of ($option*)))
}
