# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as seen from Blender: start it, send a request, follow the job. No bpy; standard library and numpy only.

Read in the order of the data: pixels → request → job_queue → engine_link → engine_process, and back through job.
Nothing here blocks except `JobQueue.wait` and `JobQueue.close`; nothing needs a window.
"""
