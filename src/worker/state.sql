/* worker: nothing stored; what runs now is in shared memory and pg_stat_activity */
