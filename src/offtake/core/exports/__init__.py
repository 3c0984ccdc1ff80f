"""Operations of clients on exports: create, read, cancel, delete and download; retention of their files."""
