"""How an installation is set up, run, watched and stopped on one machine.

Belongs here: the environments, the processes under the supervisor, the front door, the steps of `up`, `doctor`.
Does not belong here: what the processes do, and any rule of a business area.
"""
