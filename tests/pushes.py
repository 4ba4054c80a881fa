"""A table, and one that is pushed in its place: what `diff` says of them is the same everywhere."""

OLD = """\
:::log:/run/log
:::group.web:MemoryMax=1G
web:init:3,m:wait:mkdir -p /run/web
web:db:3,m:respawn:exec db --port 1
web:app:3:respawn:exec app
web:notice:m:respawn:exec notice
mail:spool:1:wait:true
mail:queue:1:once:send
"""
NEW = """\
:::log:/run/log
:::group.web:MemoryMax=2G
:::group.web:CPUWeight=50
:::initdefault.web:3
web:db:3,m:respawn:exec db --port 2
web:init:3,m:wait:mkdir -p /run/web
web:app:3,m:respawn:exec app
:::service.app:User=web
web:queue:3:once:send
new:one:1:wait:true
"""
