/*
 * worker/process.h
 *	  What our background processes have in common (process.c) and how one
 *	  starts the next.
 */
#ifndef JO_WORKER_PROCESS_H
#define JO_WORKER_PROCESS_H

#include "postmaster/bgworker.h"
#include "storage/dsm.h"

#include "worker/shared.h"

#define JO_LAUNCHER_TYPE "journey_orch launcher"
#define JO_SUPERVISOR_TYPE "journey_orch supervisor"
#define JO_WORKER_TYPE "journey_orch worker"

#define JO_ENGINE_ROLE "journey_orch_engine"

/* What a child is told in bgw_extra. */
typedef struct JoProcessArguments
{
	Oid			dboid;
	Oid			engine;			/* role to become */
	dsm_handle	segment;		/* of the JoDatabase; DSM_HANDLE_INVALID: it
								 * is in shared memory */
	int			worker;			/* index of a lane worker */
	pid_t		supervisor;		/* of a lane worker */
} JoProcessArguments;

/* Why a supervisor may not run here. */
typedef struct JoExtensionCheck
{
	JoSupervisorState verdict;	/* RUNNING, ABSENT, MISMATCHED or COPIED */
	Oid			extension;
	char		reason[JO_WORKER_ERROR_LENGTH];
} JoExtensionCheck;

/* Register a dynamic process of ours; false when no slot is free. */
extern bool jo_process_register(const char *type, const char *function,
								const JoProcessArguments *arguments,
								int restart_seconds,
								BackgroundWorkerHandle **handle);

/* First thing in a process of ours: signals, then nothing is blocked. */
extern void jo_process_begin(pqsigfunc on_terminate);

/* Connect to the database as the engine role and pin the settings. */
extern void jo_process_connect(const JoProcessArguments *arguments);

extern void jo_process_arguments(JoProcessArguments *arguments);

/* Answer signals between two pieces of work; true when the configuration was
 * read again. */
extern bool jo_process_interrupts(void);

/* Look at the extension and the incarnation in the current transaction. */
extern void jo_process_check_extension(JoExtensionCheck *check);

/* Raises JO006 when this database is a copy that nobody adopted. */
extern void jo_process_ensure_adopted(void);

#endif							/* JO_WORKER_PROCESS_H */
