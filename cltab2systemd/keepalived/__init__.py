"""keepalived's reader: groups follow VRRP instances, at a level where one is MASTER and at another one elsewhere."""
