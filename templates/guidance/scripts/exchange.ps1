# Send files to DfE's file exchange, and collect what is new. Needs Windows, PowerShell and WinSCP.
#
#   .\exchange.ps1 -HostName HOST -UserName YOU -Key you.ppk -HostKey "ssh-ed25519 255 FINGERPRINT" -Send declarations.csv
#   .\exchange.ps1 -HostName HOST -UserName YOU -Key you.ppk -HostKey "ssh-ed25519 255 FINGERPRINT" -Collect C:\exchange
#
# Ends with 0 when it is done, and with 1 when it could not: run it again, it carries on. Our tests do not run this one.
param(
    [Parameter(Mandatory = $true)] [string] $HostName,
    [int] $Port = 2222,
    [Parameter(Mandatory = $true)] [string] $UserName,
    [Parameter(Mandatory = $true)] [string] $Key,
    [Parameter(Mandatory = $true)] [string] $HostKey,
    [string[]] $Send = @(),
    [string] $Collect = "",
    [string] $WinSCP = "C:\Program Files (x86)\WinSCP\WinSCP.com"
)
$ErrorActionPreference = "Stop"

function Invoke-WinSCP([string[]] $Commands) {
    # A server with another host key is not talked to. The first command that fails ends it.
    $open = "open sftp://$UserName@${HostName}:$Port/ -privatekey=`"`"$Key`"`" -hostkey=`"`"$HostKey`"`""
    & $WinSCP /ini=nul /log="$env:TEMP\exchange.log" /loglevel=0 /command "option batch abort" "option confirm off" $open @Commands "exit" | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "WinSCP could not do it: see $env:TEMP\exchange.log" }
}

function Test-Whole([string] $Folder) {
    foreach ($last in "manifest.json", "receipt.json") {
        $path = Join-Path $Folder $last
        if (-not (Test-Path $path)) { continue }
        foreach ($file in (Get-Content $path -Raw -Encoding UTF8 | ConvertFrom-Json).files) {
            $own = Join-Path $Folder $file.name
            if (-not (Test-Path $own)) { return $false }
            if ((Get-FileHash $own -Algorithm SHA256).Hash -ne $file.sha256) { return $false }
        }
        return $true
    }
    return $true
}

foreach ($file in $Send) {
    # Under a name that ends in .part until it is whole; then it gets its own.
    $name = Split-Path $file -Leaf
    Invoke-WinSCP @("put -resumesupport=off `"`"$file`"`" `"`"/to-dfe/$name.part`"`"", "mv `"`"/to-dfe/$name.part`"`" `"`"/to-dfe/$name`"`"")
    "sent $name"
}

if ($Collect) {
    New-Item -ItemType Directory -Force $Collect | Out-Null
    $done = Join-Path $Collect "collected.txt"
    $last = if (Test-Path $done) { [int] (Get-Content $done) } else { 0 }
    $index = Join-Path $Collect "index.csv"
    Invoke-WinSCP @("get /from-dfe/index.csv `"`"$index`"`"")
    $rows = @(Import-Csv $index | Where-Object { [int] $_.sequence -gt $last })
    $newest = @{}
    foreach ($row in $rows) { $newest[$row.path] = $row.sequence }
    foreach ($row in $rows) {
        $path = $row.path
        if ($newest[$path] -ne $row.sequence) { continue }
        # What has been kept long enough goes; its line in the index stays.
        try { Invoke-WinSCP @("stat /$path") } catch { "gone $path"; $row.sequence | Set-Content $done; continue }
        $own = Join-Path $Collect $path.Replace("/", "\")
        New-Item -ItemType Directory -Force $own | Out-Null
        # A folder may be replaced while it is read: then its files are not those of its manifest.
        for ($try = 1; ; $try++) {
            Invoke-WinSCP @("get /$path/* `"`"$own\`"`"")
            if (Test-Whole $own) { break }
            if ($try -ge 5) { throw "$path changed while it was read" }
        }
        "collected $path"
        $row.sequence | Set-Content $done
    }
    # Made anew all the time, and in no index: fetched whenever they are there.
    $beside = Join-Path $Collect "from-dfe"
    New-Item -ItemType Directory -Force $beside | Out-Null
    foreach ($name in "start-here.html", "refused.csv", "waiting.csv", "forecast") {
        try { Invoke-WinSCP @("get /from-dfe/$name `"`"$beside\`"`"") } catch { }
    }
}
