"""The elements of an XLSX file: SQL for cells, package parts, the zip package, and the record counter."""
