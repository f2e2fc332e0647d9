/*
 * experiment/arms.c
 *	  Which arm a customer belongs to: computed from a hash, never drawn and
 *	  never stored.
 *
 * The 10,000 buckets of an experiment (core/identity.c) are divided among the
 * arms in order, in proportion to their weights, so the same customer gets the
 * same arm on every visit, in every journey that names the experiment, and
 * after every restart.  When an arm grows, the customers of the arms before it
 * keep theirs.
 */
#include "postgres.h"

#include "core/identity.h"
#include "experiment/experiment.h"

#define BUCKETS 10000

int
jo_arm_of(const char *experiment, const char *salt, const char *unit,
		  const JoArm *arms, int narms)
{
	int			bucket = jo_bucket(experiment, salt, unit);
	double		total = 0;
	double		upto = 0;

	for (int i = 0; i < narms; i++)
		total += arms[i].weight;
	for (int i = 0; i < narms - 1; i++)
	{
		upto += arms[i].weight;
		/* Whole buckets: the one that a boundary cuts goes to the next arm. */
		if (bucket + 1 <= upto / total * BUCKETS + 1e-9)
			return i;
	}
	return narms - 1;
}
