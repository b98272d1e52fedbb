/*
 * ending.h - while slapd ends: its pool's threads say that they are done a moment before they
 * are. What they leave behind then belongs to back-mdb (a reader's place in its lock file),
 * which closes its environment and is unloaded meanwhile: see docs/slapd-notes.md, Ending.
 */
#ifndef PROV_SLAPD_ENDING_H
#define PROV_SLAPD_ENDING_H

/* Wait until no more than so many threads are left in this process, for a fifth of a second at
 * most. Does nothing unless slapd is shutting down. */
void prov_ending_wait(unsigned threads);

#endif
