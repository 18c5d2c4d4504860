// SPDX-License-Identifier: MIT
//
// Creates a shared-memory object, or opens the one that is there, and gives it a size.
//
//	c++ -o object object.cpp
//	./object [NAME]
//
// ../c/object.c is the same program on libshmfs. Whichever of the two runs second opens
// what the first one created.
#include <iostream>

#include <boost/interprocess/shared_memory_object.hpp>

namespace bip = boost::interprocess;

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "Boost";

	try {
		bip::shared_memory_object object(bip::open_or_create, name,
						 bip::read_write);
		bip::offset_t size = 0;

		// A new object is empty. To set the size that it has changes nothing.
		object.truncate(1024);
		if (!object.get_size(size))
			return 1;
		std::cout << object.get_name() << ' ' << size << '\n';
	} catch (const bip::interprocess_exception &e) {
		std::cerr << "cannot open " << name << ": " << e.what() << '\n';
		return 1;
	}
	return 0;
}
