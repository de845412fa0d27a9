rule reverse_shell_program
{
    meta:
        title = "A small program that hands a shell to the network"
        description = "A small ELF program without symbols of its own that connects, copies the connection over its standard descriptors and starts a shell: shellcode as stagers are built"
        severity = "high"
        techniques = "T1059.004, T1071"
        tactics = "execution, command-and-control"
        response = "kill_tree, quarantine_file"
        scan_context = "file"
    strings:
        // socket(AF_INET, SOCK_STREAM), then connect, dup2 and execve, by number, as nobody's compiler lays them out.
        $socket = { 6a 29 58 [0-6] 6a 02 5f 6a 01 5e [0-4] 0f 05 }
        $connect = { 6a 2a 58 [0-8] 0f 05 }
        $dup2 = { 6a 21 58 0f 05 }
        $execve = { 6a 3b 58 [0-40] 0f 05 }
        $shell1 = "/bin/sh"
        $shell2 = { 48 b? 2f 62 69 6e 2f 73 68 00 }
        $shell3 = { 48 b? 2f 62 69 6e 2f 2f 73 68 }
    condition:
        uint32(0) == 0x464c457f and filesize < 16KB and $socket and $connect and ($dup2 or $execve) and any of ($shell*)
}
