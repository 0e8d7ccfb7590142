-- click: the id of the click that a line of the postback log names, empty where it names none, so that the lines of one
-- click are found by it. Those of before have null; they are looked through.

ALTER TABLE postbacks ADD COLUMN click BLOB;
CREATE INDEX postbacks_of_click ON postbacks (click, id);
