import "elf"

rule packed_elf_upx
{
    meta:
        title = "A program packed with UPX"
        description = "What it does shows only while it runs; packages of distributions are not packed"
        severity = "low"
        techniques = "T1027.002"
        tactics = "defense-evasion"
        scan_context = "file"
    strings:
        $mark = "UPX!"
        $info = "$Info: This file is packed with the UPX executable packer"
    condition:
        uint32(0) == 0x464c457f and ($info or #mark >= 2) and elf.number_of_sections == 0
}
