/*
 * worker/worker.h
 *	  Launcher, supervisors and lane workers; no business rules.
 */
#ifndef JO_WORKER_H
#define JO_WORKER_H

/* Settings of the room (settings.c). */
extern int	jo_workers;
extern bool jo_autostart;
extern int	jo_poll_interval;
extern int	jo_batch_timeout;
extern int	jo_max_databases;

extern void jo_worker_init(void);

#endif							/* JO_WORKER_H */
