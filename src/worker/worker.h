/*
 * worker/worker.h
 *	  Launcher, supervisors and lane workers; no business rules.
 */
#ifndef JO_WORKER_H
#define JO_WORKER_H

extern void jo_worker_init(void);

#endif							/* JO_WORKER_H */
