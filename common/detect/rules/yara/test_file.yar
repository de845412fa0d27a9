rule antivirus_test_file : test
{
    meta:
        title = "The antivirus test file"
        description = "The 68 bytes that antivirus products agree to report; harmless, and a way to try the whole path"
        severity = "low"
        scan_context = "file"
    strings:
        $a = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    condition:
        $a at 0 and filesize < 129
}
