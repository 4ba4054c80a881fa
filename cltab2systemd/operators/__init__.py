"""`clinitctl`: how groups and their entries are, and what is done to them one by one."""
