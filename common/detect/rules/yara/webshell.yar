rule webshell_php_request_to_code
{
    meta:
        title = "A PHP page runs what a request sends"
        description = "A short PHP page that hands a field of the request to a function that runs code or commands"
        severity = "high"
        techniques = "T1505.003"
        tactics = "persistence"
        response = "quarantine_file"
        scan_context = "file"
    strings:
        $php = "<?php" nocase
        $short = "<?="
        $run = /\b(eval|assert|system|exec|shell_exec|passthru|popen|proc_open)\s{0,8}\(\s{0,8}@?\s{0,4}((base64_decode|gzinflate|str_rot13|trim|urldecode)\s{0,4}\(\s{0,4}){0,3}\$(_(GET|POST|REQUEST|COOKIE)|_SERVER\s{0,4}\[\s{0,4}['"]HTTP_)/ nocase
    condition:
        filesize < 64KB and any of ($php, $short) and $run
}

rule webshell_jsp_request_to_command
{
    meta:
        title = "A JSP page runs what a request sends"
        description = "A short JSP page that starts a program named by a parameter of the request"
        severity = "high"
        techniques = "T1505.003"
        tactics = "persistence"
        response = "quarantine_file"
        scan_context = "file"
    strings:
        $page = /<%[@=!\s]/
        $run = /(getRuntime\s{0,8}\(\s{0,8}\)\s{0,8}\.\s{0,8}exec|new\s{1,8}ProcessBuilder)\s{0,8}\([^;]{0,80}request\s{0,8}\.\s{0,8}get(Parameter|Header)\s{0,8}\(/
    condition:
        filesize < 64KB and $page and $run
}
