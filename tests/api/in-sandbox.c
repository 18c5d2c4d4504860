/* SPDX-License-Identifier: MIT */
/* in-sandbox PROGRAM [ARGUMENT...]: runs it in private surroundings, see sandbox.h. */
#include <stdio.h>
#include <unistd.h>

#include "sandbox.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	sandbox_enter();
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
